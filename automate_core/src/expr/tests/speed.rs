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
