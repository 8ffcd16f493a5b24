//! Bodies that come piece by piece, under the same guard.

use automate_connectors::base::http::HttpStream;

use super::*;

fn chunked(pieces: &[&str], ended: bool) -> Answer {
    let mut bytes =
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
    for piece in pieces {
        bytes.extend_from_slice(format!("{:x}\r\n{piece}\r\n", piece.len()).as_bytes());
    }
    if ended {
        bytes.extend_from_slice(b"0\r\n\r\n");
    }
    Answer::Bytes(bytes)
}

async fn rest(mut stream: HttpStream) -> (String, Option<HttpError>) {
    let mut text = String::new();
    loop {
        match stream.chunk().await {
            Ok(Some(piece)) => text.push_str(std::str::from_utf8(&piece).unwrap()),
            Ok(None) => return (text, None),
            Err(error) => {
                assert_eq!(stream.chunk().await, Ok(None), "it ends after an error");
                return (text, Some(error));
            }
        }
    }
}

#[tokio::test]
async fn a_streamed_body_comes_while_it_is_written_and_the_connection_is_used_again() {
    let server = Server::start(|_| chunked(&["data: a\n\n", "data: b\n\n"], true)).await;
    let client = client(&[&format!("{}", server.address)]);
    for _ in 0..2 {
        let stream = client.send_streaming(get(server.url("/"))).await.unwrap();
        assert_eq!(stream.status, StatusCode::OK);
        assert_eq!(stream.headers["content-type"], "text/event-stream");
        assert_eq!(rest(stream).await, ("data: a\n\ndata: b\n\n".to_owned(), None));
    }
    assert_eq!(server.connections.load(Ordering::SeqCst), 1);
    // The beginning is there although the end never comes.
    let open = Server::start(|_| chunked(&["data: a\n\n"], false)).await;
    let mut stream = self::client(&[&format!("{}", open.address)]).send_streaming(get(open.url("/"))).await.unwrap();
    assert_eq!(stream.chunk().await.unwrap().unwrap(), "data: a\n\n");
}

#[tokio::test]
async fn o13_a_streamed_body_is_bounded_in_bytes_and_in_time() {
    let server = Server::start(|_| {
        let head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
        Answer::Endless(head, b"4\r\nabcd\r\n".to_vec(), Duration::from_millis(1))
    })
    .await;
    let client = client(&[&format!("{}", server.address)]);
    let mut request = get(server.url("/"));
    request.max_response_bytes = 40;
    let (text, error) = rest(client.send_streaming(request.clone()).await.unwrap()).await;
    assert_eq!(error, Some(HttpError::TooLarge { limit: 40 }));
    assert!(text.len() <= 40, "{text}");
    request.truncate_response = true;
    let (text, error) = rest(client.send_streaming(request).await.unwrap()).await;
    assert_eq!((text.len(), error), (40, None));

    let begun = Instant::now();
    let stream = client.send_streaming(get(server.url("/")).timeout(Duration::from_millis(200))).await.unwrap();
    let (text, error) = rest(stream).await;
    assert!(matches!(error, Some(HttpError::Timeout { .. })) && !text.is_empty(), "{error:?}");
    assert!(begun.elapsed() < Duration::from_secs(4));
}

#[tokio::test]
async fn a_streamed_body_that_is_cut_is_an_error() {
    let server = Server::start(|_| {
        Answer::Bytes(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 10\r\n\r\nhalf".to_vec())
    })
    .await;
    let client = client(&[&format!("{}", server.address)]);
    let request = get(server.url("/")).timeout(Duration::from_millis(500));
    let (text, error) = rest(client.send_streaming(request).await.unwrap()).await;
    assert_eq!(text, "half");
    assert!(matches!(error, Some(HttpError::Cut { .. } | HttpError::Timeout { .. })), "{error:?}");
}

#[tokio::test]
async fn o1_a_streamed_call_is_denied_like_every_other_and_so_are_its_redirects() {
    let server = Server::start(|_| redirect(302, "http://169.254.169.254/latest")).await;
    let port = server.address.port();
    for host in ["127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "2130706433"] {
        let url = Url::parse(&format!("http://{host}:{port}/")).unwrap();
        let result = client(&[]).send_streaming(get(url)).await;
        assert!(matches!(result, Err(HttpError::Denied { .. })), "{host}: {result:?}");
    }
    assert_eq!(server.connections.load(Ordering::SeqCst), 0);
    let allowed = client(&[&format!("{}", server.address)]);
    let mut request = get(server.url("/"));
    request.max_redirects = 3;
    assert!(matches!(allowed.send_streaming(request).await, Err(HttpError::Denied { .. })));
    let mut smuggling = get(server.url("/"));
    smuggling.headers.insert(HOST, HeaderValue::from_static("other.example"));
    assert!(matches!(allowed.send_streaming(smuggling).await, Err(HttpError::Invalid { .. })));
}
