//! What somebody may have meant who wrote a word that does not exist.

/// The candidate that is nearest to `word`, if it is near enough to be meant.
pub(super) fn nearest<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let word = word.to_lowercase();
    let limit = (word.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .map(|candidate| (distance(&word, &candidate.to_lowercase()), candidate))
        .filter(|&(distance, _)| distance <= limit)
        .min_by_key(|&(distance, _)| distance)
        .map(|(_, candidate)| candidate)
}

/// How many letters must be put in, taken out, changed or swapped with their neighbour.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=other.len()).collect();
    let mut previous = None;
    for (row, letter) in one.chars().enumerate() {
        let mut current = vec![row + 1];
        for (column, &their_letter) in other.iter().enumerate() {
            let at = |line: &[usize], index: usize| line.get(index).copied().unwrap_or(usize::MAX);
            let changed = at(&last, column) + usize::from(letter != their_letter);
            let put_in = at(&current, column) + 1;
            let taken_out = at(&last, column + 1) + 1;
            let mut best = changed.min(put_in).min(taken_out);
            let is_swapped = column > 0
                && previous == Some(their_letter)
                && other.get(column - 1) == Some(&letter);
            if is_swapped {
                best = best.min(at(&before_last, column - 1) + 1);
            }
            current.push(best);
        }
        before_last = std::mem::replace(&mut last, current);
        previous = Some(letter);
    }
    last.last().copied().unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_of_the_pen_are_near() {
        for (word, expected) in [
            ("prot", Some("port")),
            ("Host", Some("host")),
            ("hots", Some("host")),
            ("timout", Some("timeout")),
            ("time_out", Some("timeout")),
            ("password", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, ["port", "host", "timeout"]), expected, "{word}");
        }
    }
}
