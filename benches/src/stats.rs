//! Medians, spreads, percentiles and a growth exponent.

/// The middle value; of an even number the mean of the two in the middle. 0 of none.
pub fn median(values: &[f64]) -> f64 {
    let sorted = sorted(values);
    match sorted.len() {
        0 => 0.0,
        n if n % 2 == 1 => sorted[n / 2],
        n => f64::midpoint(sorted[n / 2 - 1], sorted[n / 2]),
    }
}

/// How far apart the lowest and the highest are, as a share of the median.
pub fn spread(values: &[f64]) -> f64 {
    let sorted = sorted(values);
    let middle = median(values);
    match (sorted.first(), sorted.last()) {
        (Some(low), Some(high)) if middle > 0.0 => (high - low) / middle,
        _ => 0.0,
    }
}

/// The value that a share `q` of all doesn't exceed (nearest rank). 0 of none.
pub fn percentile(values: &[f64], q: f64) -> f64 {
    let sorted = sorted(values);
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a rank among a few thousand"
    )]
    let rank = (q * sorted.len() as f64).ceil() as usize;
    let last = sorted.len().saturating_sub(1);
    sorted
        .get(rank.saturating_sub(1).min(last))
        .copied()
        .unwrap_or_default()
}

/// The exponent b of the power law y = a·x^b that fits best: least squares of the logarithms. `None` with fewer than
/// two different x, or a value that has no logarithm.
pub fn exponent(points: &[(f64, f64)]) -> Option<f64> {
    if points.iter().any(|(x, y)| *x <= 0.0 || *y <= 0.0) {
        return None;
    }
    let logs: Vec<(f64, f64)> = points.iter().map(|(x, y)| (x.ln(), y.ln())).collect();
    #[expect(clippy::cast_precision_loss, reason = "a handful")]
    let n = logs.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| logs.iter().map(of).sum::<f64>() / n;
    let (x, y) = (mean(|p| p.0), mean(|p| p.1));
    let over: f64 = logs.iter().map(|p| (p.0 - x) * (p.1 - y)).sum();
    let under: f64 = logs.iter().map(|p| (p.0 - x).powi(2)).sum();
    (under > 1e-12).then(|| over / under)
}

fn sorted(values: &[f64]) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-9
    }

    #[test]
    fn the_median_needs_no_order_and_survives_an_outlier() {
        assert!(close(median(&[3.0, 1.0, 99.0]), 3.0));
        assert!(close(median(&[4.0, 1.0, 2.0, 3.0]), 2.5));
        assert!(close(median(&[]), 0.0));
    }

    #[test]
    fn the_spread_is_a_share_of_the_median() {
        assert!(close(spread(&[9.0, 10.0, 11.0]), 0.2));
        assert!(close(spread(&[7.0]), 0.0));
        assert!(close(spread(&[]), 0.0));
    }

    #[test]
    fn a_percentile_is_one_of_the_values() {
        let values: Vec<f64> = (1..=100).map(f64::from).collect();
        assert!(close(percentile(&values, 0.95), 95.0));
        assert!(close(percentile(&values, 1.0), 100.0));
        assert!(close(percentile(&[5.0], 0.95), 5.0));
        assert!(close(percentile(&[], 0.95), 0.0));
    }

    #[test]
    fn an_exponent_is_found_whatever_the_factor() {
        let law = |b: f64| -> Vec<(f64, f64)> {
            [1e3, 2e3, 5e3, 1e4, 2e4]
                .map(|x: f64| (x, 0.3 * x.powf(b)))
                .into()
        };
        for b in [0.9, 1.0, 1.05, 2.0] {
            assert!((exponent(&law(b)).unwrap() - b).abs() < 1e-6);
        }
        assert_eq!(exponent(&[(1.0, 1.0)]), None);
        assert_eq!(exponent(&[(1.0, 0.0), (2.0, 1.0)]), None);
    }
}
