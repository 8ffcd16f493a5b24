//! Reading CSV (RFC 4180), with commas, semicolons or tabs between the fields.

/// Rows of a file, each with the line that it begins on.
pub(super) type Records = Vec<(usize, Vec<String>)>;

/// Reads a file: its heads and its rows.
///
/// # Errors
/// What is wrong, with the line.
pub(super) fn read(text: &str, rows: usize) -> Result<(Vec<String>, Records), String> {
    let text = text.trim_start_matches('\u{feff}');
    let first = text.lines().next().unwrap_or_default();
    let count = |c: char| first.matches(c).count();
    let between = [',', ';', '\t'].into_iter().max_by_key(|c| (count(*c), *c == ',')).unwrap_or(',');
    let mut records = split(text, between, rows + 1)?.into_iter();
    let (_, heads) = records.next().ok_or("there is nothing in it")?;
    let heads: Vec<String> = heads.into_iter().map(|head| head.trim().to_owned()).collect();
    let records: Records = records.collect();
    if let Some((line, record)) = records.iter().find(|(_, record)| record.len() != heads.len()) {
        return Err(format!("line {line} has {} fields, and the first line has {}", record.len(), heads.len()));
    }
    if records.is_empty() {
        return Err("there is no row below the first line".to_owned());
    }
    Ok((heads, records))
}

fn split(text: &str, between: char, most: usize) -> Result<Records, String> {
    let mut records: Records = Vec::new();
    let (mut record, mut field) = (Vec::new(), String::new());
    let (mut line, mut begun) = (1, 1);
    let mut quoted = false;
    let mut characters = text.chars().peekable();
    let mut end = |record: &mut Vec<String>, field: &mut String, begun: usize| -> Result<(), String> {
        record.push(std::mem::take(field));
        let record = std::mem::take(record);
        if record.iter().all(String::is_empty) {
            return Ok(());
        }
        if records.len() == most {
            return Err(format!("it has more than {} rows; split it", most - 1));
        }
        records.push((begun, record));
        Ok(())
    };
    while let Some(character) = characters.next() {
        match character {
            '"' if quoted && characters.peek() == Some(&'"') => {
                characters.next();
                field.push('"');
            }
            '"' if quoted => quoted = false,
            '"' if field.is_empty() => quoted = true,
            '\n' if !quoted => {
                end(&mut record, &mut field, begun)?;
                line += 1;
                begun = line;
            }
            '\r' if !quoted && characters.peek() == Some(&'\n') => {}
            c if c == between && !quoted => record.push(std::mem::take(&mut field)),
            c => {
                line += usize::from(c == '\n');
                field.push(c);
            }
        }
    }
    if quoted {
        return Err(format!("the quotes of the row on line {begun} are not closed"));
    }
    end(&mut record, &mut field, begun)?;
    Ok(records)
}

/// One row as CSV.
pub(super) fn line(fields: &[String]) -> String {
    let quoted = |field: &String| {
        // A spreadsheet would take it for a formula.
        let guard =
            if field.starts_with(['=', '+', '-', '@', '\t', '\r']) && field.parse::<f64>().is_err() { "'" } else { "" };
        format!("\"{guard}{}\"", field.replace('"', "\"\""))
    };
    let mut line = fields.iter().map(quoted).collect::<Vec<_>>().join(",");
    line.push_str("\r\n");
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_hold_fields_together() {
        let (heads, rows) = read("\u{feff}a,b\r\n1,\"x, \"\"y\"\"\nz\"\r\n\r\n2,\n", 10).unwrap();
        assert_eq!(heads, ["a", "b"]);
        assert_eq!(rows, [(2, vec!["1".into(), "x, \"y\"\nz".into()]), (5, vec!["2".into(), String::new()])]);
        assert_eq!(read("a;b\n1;2", 10).unwrap().1, [(2, vec!["1".into(), "2".into()])]);
    }

    #[test]
    fn what_is_no_table_is_refused_with_the_line() {
        assert!(read("a,b\n1", 10).unwrap_err().contains("line 2"));
        assert!(read("a\n\"1", 10).unwrap_err().contains("line 2"));
        assert!(read("a\n1\n2\n3", 2).unwrap_err().contains("more than 2"));
        assert!(read("", 10).is_err() && read("a,b", 10).is_err());
    }

    #[test]
    fn a_row_that_is_written_holds_no_formula() {
        assert_eq!(line(&["=1".into(), "-5".into(), "a\"".into()]), "\"'=1\",\"-5\",\"a\"\"\"\r\n");
    }
}
