//! Decides exactly whether two patterns can match one object, by walking both at once.

use std::collections::{HashMap, VecDeque};

use super::Token;

/// What may stand at one place of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    /// This character.
    Exactly(char),
    /// Any but a slash.
    NoSlash,
    /// Any.
    Any,
}

/// One step of a pattern: from state `i` to `i + 1`.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// Takes one character.
    Once(Class),
    /// Takes any number of characters, staying, and may be passed without one.
    Repeat(Class),
    /// Takes nothing; may also jump over this many steps that follow.
    Optional(usize),
}

/// A place in each of the two patterns.
type State = (usize, usize);

/// The state before each state that was seen, and the character taken between them; none for the first.
type Origins = HashMap<State, Option<(State, Option<char>)>>;

/// A shortest text that both match, if there is one.
pub(super) fn common_example(one: &[Token], other: &[Token]) -> Option<String> {
    let (one, other) = (steps(one), steps(other));
    let mut came_from = Origins::new();
    // States reached by taking nothing go to the front, so that states are seen in the order of the length of text.
    let mut waiting = VecDeque::from([((0, 0), None)]);
    while let Some((state, origin)) = waiting.pop_front() {
        if came_from.contains_key(&state) {
            continue;
        }
        came_from.insert(state, origin);
        let (i, j) = state;
        if i == one.len() && j == other.len() {
            return Some(text_to(state, &came_from));
        }
        for next in passed(&one, i) {
            waiting.push_front(((next, j), Some((state, None))));
        }
        for next in passed(&other, j) {
            waiting.push_front(((i, next), Some((state, None))));
        }
        if let (Some((class, to)), Some((other_class, other_to))) = (taken(&one, i), taken(&other, j))
            && let Some(c) = common(class, other_class)
        {
            waiting.push_back(((to, other_to), Some((state, Some(c)))));
        }
    }
    None
}

fn steps(tokens: &[Token]) -> Vec<Step> {
    let mut steps = Vec::with_capacity(tokens.len() + 8);
    for token in tokens {
        match token {
            Token::Literal(c) => steps.push(Step::Once(Class::Exactly(*c))),
            Token::One => steps.push(Step::Once(Class::NoSlash)),
            Token::Within => steps.push(Step::Repeat(Class::NoSlash)),
            Token::Across => steps.push(Step::Repeat(Class::Any)),
            Token::Folders => {
                steps.extend([Step::Optional(2), Step::Repeat(Class::Any), Step::Once(Class::Exactly('/'))]);
            }
            Token::Capture(_) => steps.extend([Step::Once(Class::NoSlash), Step::Repeat(Class::NoSlash)]),
        }
    }
    steps
}

/// The states reached from this one by taking nothing.
fn passed(steps: &[Step], at: usize) -> impl Iterator<Item = usize> {
    let (next, jump) = match steps.get(at) {
        Some(Step::Repeat(_)) => (Some(at + 1), None),
        Some(Step::Optional(over)) => (Some(at + 1), Some(at + 1 + over)),
        Some(Step::Once(_)) | None => (None, None),
    };
    next.into_iter().chain(jump)
}

/// What this state may take, and where that leads.
fn taken(steps: &[Step], at: usize) -> Option<(Class, usize)> {
    match steps.get(at)? {
        Step::Once(class) => Some((*class, at + 1)),
        Step::Repeat(class) => Some((*class, at)),
        Step::Optional(_) => None,
    }
}

/// A character in both classes.
fn common(one: Class, other: Class) -> Option<char> {
    match (one, other) {
        (Class::Exactly(a), Class::Exactly(b)) => (a == b).then_some(a),
        (Class::Exactly(c), Class::NoSlash) | (Class::NoSlash, Class::Exactly(c)) => (c != '/').then_some(c),
        (Class::Exactly(c), Class::Any) | (Class::Any, Class::Exactly(c)) => Some(c),
        (Class::NoSlash | Class::Any, Class::NoSlash | Class::Any) => Some('x'),
    }
}

fn text_to(mut state: State, came_from: &Origins) -> String {
    let mut reversed = Vec::new();
    while let Some(Some((before, c))) = came_from.get(&state) {
        reversed.extend(*c);
        state = *before;
    }
    reversed.iter().rev().collect()
}
