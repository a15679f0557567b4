//! The operator's binary.
fn main() {
    print!("{}", defender_tenant_operator::api::render());
}
