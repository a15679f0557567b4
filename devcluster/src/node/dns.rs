//! One question to the cluster's DNS: is the way there open, and does it know the cluster?

use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::time::timeout;

const ANSWER_WITHIN: Duration = Duration::from_secs(1);
const PORT: u16 = 53;

/// Whether the name has an address there; else why not.
pub(crate) async fn resolve(server: String, name: &str) -> Result<(), String> {
    let answer = timeout(ANSWER_WITHIN, ask(&server, &question(name)))
        .await
        .map_err(|_| format!("{server} says nothing to {name}"))?
        .map_err(|error| format!("{server}: {error}"))?;
    judge(&answer).map_err(|error| format!("{name}: {error}"))
}

async fn ask(server: &str, question: &[u8]) -> std::io::Result<Vec<u8>> {
    let socket = UdpSocket::bind(("0.0.0.0", 0)).await?;
    socket.connect((server, PORT)).await?;
    socket.send(question).await?;
    let mut answer = vec![0; 512];
    let length = socket.recv(&mut answer).await?;
    answer.truncate(length);
    Ok(answer)
}

/// RFC 1035: a header with one question, recursion desired; labels with their lengths; type A, class IN.
fn question(name: &str) -> Vec<u8> {
    let mut bytes = vec![0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.') {
        bytes.push(u8::try_from(label.len()).unwrap_or_default());
        bytes.extend(label.as_bytes());
    }
    bytes.extend([0, 0, 1, 0, 1]);
    bytes
}

fn judge(answer: &[u8]) -> Result<(), String> {
    match answer {
        [_, _, _, flags, _, _, high, low, ..] => match (flags & 0x0f, high | low) {
            (0, 1..) => Ok(()),
            (0, _) => Err("no address".to_owned()),
            (code, _) => Err(format!("answer code {code}")),
        },
        _ => Err("not an answer of DNS".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_worded_as_the_rfc_has_it() {
        let expected =
            b"\x00\x01\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x01a\x02bc\x00\x00\x01\x00\x01";
        assert_eq!(question("a.bc"), expected);
    }

    #[test]
    fn only_an_address_is_an_answer() {
        let answer = |code: u8, count: u8| [0, 1, 0x85, 0x80 | code, 0, 1, 0, count, 0, 0, 0, 0];
        assert_eq!(judge(&answer(0, 1)), Ok(()));
        assert!(judge(&answer(0, 0)).is_err());
        assert!(judge(&answer(3, 0)).unwrap_err().contains('3'));
        assert!(judge(&[0; 4]).is_err());
    }
}
