use std::time::Instant;

use super::*;

#[test]
fn a_large_payload_is_not_converted_for_each_render() {
    let mut context = context();
    let rows: Vec<Value> = (0..20_000).map(|i| json!({"id": i, "name": format!("row {i}")})).collect();
    context.set_inputs(&json!({"rows": rows, "n": 1}));
    let template = engine().template("{{ inputs.n + 1 }}").unwrap();
    let began = Instant::now();
    for _ in 0..1_000 {
        assert_eq!(template.render(&context).unwrap(), json!(2));
    }
    // Converting the payload takes milliseconds, so a thousand renders would take seconds.
    assert!(began.elapsed().as_millis() < 1_000, "{:?}", began.elapsed());
}

#[test]
fn scrubbing_costs_little_for_each_byte_however_many_secrets_are_known() {
    let scrubber = super::secret::Scrubber::new();
    for n in 0..200 {
        scrubber.add(&crate::secrets::SecretValue::new(format!("tok_{:016x}_{n}", 0x9e37_79b9_7f4a_7c15_u64 ^ n)));
    }
    let text = "The quick brown fox jumps over the lazy dog; 0123456789 abcdef. ".repeat(16 * 1024);
    let began = Instant::now();
    assert_eq!(scrubber.scrub_str(&text), text);
    // A megabyte takes a hundredth of a second where it is optimised.
    assert!(began.elapsed().as_millis() < 2_000, "{:?}", began.elapsed());
}
