//! The page that the tables stand in.

/// Puts tables between their markers.
pub fn fill(mut page: String, tables: &[(&str, String)]) -> Result<String, String> {
    for (name, table) in tables {
        let (begin, end) = (
            format!("<!-- simulator: {name} -->\n"),
            "<!-- /simulator -->",
        );
        let missing = || format!("the page has no marker {begin}");
        let from = page.find(&begin).ok_or_else(missing)? + begin.len();
        let until = from + page[from..].find(end).ok_or_else(missing)?;
        page.replace_range(from..until, &format!("\n{}\n\n", table.trim_end()));
    }
    Ok(page)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_stand_between_their_markers_and_replace_what_was_there() {
        let page = "a\n<!-- simulator: x -->\nold\n<!-- /simulator -->\nb\n".to_owned();
        let once = fill(page, &[("x", "new\n".to_owned())]).unwrap();
        assert_eq!(
            once,
            "a\n<!-- simulator: x -->\n\nnew\n\n<!-- /simulator -->\nb\n"
        );
        assert_eq!(
            fill(once.clone(), &[("x", "new\n".to_owned())]).unwrap(),
            once
        );
        assert!(fill(once, &[("y", String::new())]).is_err());
    }
}
