//! A language model in a workflow: configuration, the egress guard, the engine and the connector,
//! with a local server that speaks the wire format.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use automate_tests::binary::Project;
use serde_json::{Value, json};

/// The key of the provider, which must show nowhere.
const KEY: &str = "sk-canary-71f0c2a4be39";

const TRIAGE: &str = r#"workflow: triage
on: [{ manual: true }]
steps:
  - id: read
    uses: llm.json
    with:
      prompt: "{{ inputs.message }}"
      schema:
        type: object
        properties: { topic: { enum: [refund, other] }, order: { type: integer } }
        required: [topic, order]
    retry: { max_attempts: 3, initial: 100ms, max: 200ms }
  - id: reply
    if: "steps.read.output.value.topic == 'refund'"
    uses: llm.chat
    with: { system: "Be kind.", prompt: "Order {{ steps.read.output.value.order }} is refunded.", stream: true }
output:
  order: "{{ steps.read.output.value.order }}"
  text: "{{ steps.reply.output.text }}"
  cost: "{{ steps.read.output.usage.cost_micros }}"
"#;

/// Answers the requests in turn with these bytes, and keeps what was sent.
struct Model {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Model {
    fn start(answers: Vec<String>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&seen);
        // Ends with the process of the test.
        std::thread::spawn(move || {
            for (stream, answer) in listener.incoming().flatten().zip(answers) {
                log.lock().unwrap().push(exchange(stream, &answer).unwrap_or_default());
            }
        });
        Self { address, seen }
    }

    fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
}

fn exchange(mut stream: TcpStream, answer: &str) -> std::io::Result<String> {
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") && reader.read_line(&mut head)? > 0 {}
    let length = head
        .to_ascii_lowercase()
        .split("content-length: ")
        .nth(1)
        .and_then(|rest| rest.split("\r\n").next()?.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body)?;
    // The head is kept before the answer: the client may be gone right after it.
    let request = head + &String::from_utf8_lossy(&body);
    stream.write_all(answer.as_bytes())?;
    Ok(request)
}

fn answer(status: &str, kind: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\nconnection: close\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn completion(text: &str) -> String {
    let body = json!({
        "model": "small-1", "choices": [{ "message": { "role": "assistant", "content": text }, "finish_reason": "stop" }],
        "usage": { "prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120 }
    });
    answer("200 OK", "application/json", &body.to_string())
}

fn streamed(pieces: &[&str]) -> String {
    let mut body = String::new();
    for piece in pieces {
        body += &format!("data: {}\n\n", json!({ "model": "small-1", "choices": [{ "delta": { "content": piece } }] }));
    }
    body += "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":4}}\n\ndata: [DONE]\n\n";
    answer("200 OK", "text/event-stream", &body)
}

#[test]
fn a_workflow_asks_a_model_for_json_repairs_it_and_goes_on_with_a_streamed_answer() {
    let model = Model::start(vec![
        answer("503 Service Unavailable", "application/json", &json!({ "error": { "message": KEY } }).to_string()),
        completion("It is about a refund."),
        completion("```json\n{\"topic\": \"refund\", \"order\": 17}\n```"),
        streamed(&["Your money ", "is on ", "its way."]),
    ]);
    let project = Project::embedded();
    project.write(
        "automate.toml",
        &format!(
            "[egress]\nallow = [\"{0}\"]\n[providers.small]\nkind = \"openai\"\nbase_url = \"http://{0}/v1\"\n\
             api_key = \"$secret:MODEL_KEY\"\ndefault_model = \"small-1\"\n\
             [providers.small.prices.\"small-1\"]\ninput = \"0.15\"\noutput = \"0.60\"\n",
            model.address
        ),
    );
    let run = |args: &[&str]| {
        let mut command = project.command(args);
        automate_tests::binary::Answer::of(command.env("AUTOMATE_SECRET_MODEL_KEY", KEY).output().unwrap())
    };
    let listed = run(&["connectors", "list", "--json"]).exits(0).json();
    let of =
        |key: &str| listed["entries"].as_array().unwrap().iter().find(|e| e["key"] == key && e["kind"] == "provider");
    assert_eq!(of("small").unwrap()["origin"], "configuration");
    assert!(of("anthropic").is_some() && of("echo").is_some());

    let file = project.write("triage.yaml", TRIAGE);
    let _ = run(&["workflow", "import", &file]).exits(0);
    let input = json!({ "message": "Order 17 came broken, I want my money back" }).to_string();
    let ended = run(&["run", "triage", "--input", &input, "--wait", "--json"]);
    let shown = ended.out.clone() + &ended.err;
    let ended = ended.exits(0).json();
    // 200 and 40 tokens: 30 + 24 millionths.
    assert_eq!(ended["output"], json!({ "order": 17, "text": "Your money is on its way.", "cost": 54 }));
    let read = &ended["steps"][0];
    assert_eq!((&read["output"]["repairs"], &read["output"]["provider"]), (&json!(1), &json!("small")));
    assert_eq!(read["attempt"], 2, "the first attempt got a 503");

    let seen = model.seen();
    assert_eq!(seen.len(), 4);
    assert!(seen.iter().all(|request| request.contains(&format!("authorization: Bearer {KEY}"))), "{seen:?}");
    let body = |n: usize| serde_json::from_str::<Value>(seen[n].split_once("\r\n\r\n").unwrap().1).unwrap();
    assert_eq!(body(2)["messages"][2]["content"], "It is about a refund.");
    assert_eq!(body(3)["messages"][1]["content"], "Order 17 is refunded.");
    assert_eq!((&body(3)["stream"], &body(0)["model"]), (&json!(true), &json!("small-1")));
    let id = ended["id"].as_str().unwrap();
    let told = run(&["executions", "show", id]);
    assert!(!format!("{shown}{}{}", told.out, told.err).contains("canary"));
}

#[test]
fn a_provider_that_is_set_up_wrongly_is_named_by_the_list_and_by_the_step() {
    let project = Project::embedded();
    project.write("automate.toml", "[providers.default]\nkind = \"echo\"\nanswre = \"x\"\n");
    let list = project.run(&["connectors", "list"]).exits(1);
    assert!(list.out.contains("refused") && list.out.contains("answre"), "{}", list.out);
    let file = project.write("ask.yaml", "workflow: ask\non: [{ manual: true }]\nsteps:\n  - { id: a, uses: llm.chat, with: { provider: default, prompt: hello } }\noutput: { text: \"{{ steps.a.output.text }}\" }\n");
    let _ = project.run(&["workflow", "import", &file]).exits(0);
    let failed = project.run(&["run", "ask", "--wait", "--json"]).exits(1).json();
    assert_eq!(failed["error"]["code"], "CONFIG_INVALID");
    assert!(failed["error"]["message"].as_str().unwrap().contains("was refused at start"), "{failed}");

    project.write("automate.toml", "[providers.default]\nkind = \"echo\"\n");
    let ended = project.run(&["run", "ask", "--wait", "--json"]).exits(0).json();
    assert_eq!(ended["output"], json!({ "text": "hello" }));
}
