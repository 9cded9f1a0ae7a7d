//! From text to program: a precedence-climbing parser that knows where each token stands.
//!
//! Own work where a library would be expected: `exmex` 0.21 gives `-x^2` the value of `(-x)^2`, so that the commonest
//! bump, `exp(-x^2)`, becomes its reciprocal, and evaluates `sin(x+2+3)` as `x + sin(2+3)`, both without a word. It also
//! groups `2^3^2` from the left, refuses a call of two arguments inside the second argument of another, does not read
//! `1e-3`, and reports no positions.

use std::f64::consts;

use super::program::{Op, Program, function, function_names};
use crate::spec::activation::ActivationError;
use crate::spec::activation::error::{nearest, shown};

/// Longer texts are refused before any work is done.
const MAX_LENGTH: usize = 1_000;
/// Deeper nesting is refused: the parser recurses once for each level.
const MAX_DEPTH: usize = 64;

/// Binding strengths. A unary minus binds its operand like a product: `-x^2` is `-(x^2)`.
const SUM: u8 = 1;
const PRODUCT: u8 = 3;
const SIGN: u8 = 5;
const POWER: u8 = 7;

pub(super) fn parse(text: &str) -> Result<Program, ActivationError> {
    let length = text.chars().count();
    if length > MAX_LENGTH {
        return Err(ActivationError::TooLong { length, limit: MAX_LENGTH });
    }
    let mut parser = Parser { text, rest: text, depth: 0, program: Program::default() };
    parser.expression(0)?;
    if parser.peek().is_some() {
        return Err(parser.syntax("an operator or the end"));
    }
    Ok(parser.program)
}

struct Parser<'a> {
    text: &'a str,
    rest: &'a str,
    depth: usize,
    program: Program,
}

impl<'a> Parser<'a> {
    /// The next character that is not white space, left in place.
    fn peek(&mut self) -> Option<char> {
        self.rest = self.rest.trim_start();
        self.rest.chars().next()
    }

    fn take(&mut self, token: &str) -> bool {
        self.rest = self.rest.trim_start();
        match self.rest.strip_prefix(token) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    /// Takes the leading characters that belong to a word.
    fn take_word(&mut self, length: usize) -> &'a str {
        let (word, rest) = self.rest.split_at(length);
        self.rest = rest;
        word
    }

    /// Of the next character, from 1.
    fn position(&self) -> usize {
        let consumed = self.text.len() - self.rest.len();
        self.text.get(..consumed).map_or(0, |read| read.chars().count()) + 1
    }

    fn syntax(&mut self, expected: &'static str) -> ActivationError {
        let found = match self.peek() {
            Some(c) => format!("`{}`", c.escape_debug()),
            None => "the end".to_owned(),
        };
        ActivationError::Syntax {
            text: shown(self.text),
            position: self.position(),
            expected,
            found,
        }
    }

    fn push(&mut self, op: Op) -> Result<(), ActivationError> {
        self.program.push(op).ok_or_else(|| ActivationError::TooDeep { position: self.position() })
    }

    /// An operand and every operator after it that binds at least as strongly as `minimum`.
    fn expression(&mut self, minimum: u8) -> Result<(), ActivationError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(ActivationError::TooDeep { position: self.position() });
        }
        self.operand()?;
        while let Some((token, op, strength)) = self.operator() {
            if strength < minimum {
                break;
            }
            self.take(token);
            // Powers group from the right, everything else from the left.
            self.expression(if op == Op::Power { strength } else { strength + 1 })?;
            self.push(op)?;
        }
        self.depth -= 1;
        Ok(())
    }

    fn operator(&mut self) -> Option<(&'static str, Op, u8)> {
        Some(match self.peek()? {
            '+' => ("+", Op::Add, SUM),
            '-' => ("-", Op::Subtract, SUM),
            '*' if self.rest.starts_with("**") => ("**", Op::Power, POWER),
            '*' => ("*", Op::Multiply, PRODUCT),
            '/' => ("/", Op::Divide, PRODUCT),
            '^' => ("^", Op::Power, POWER),
            _ => return None,
        })
    }

    fn operand(&mut self) -> Result<(), ActivationError> {
        match self.peek() {
            Some('-') => {
                self.take("-");
                self.expression(SIGN)?;
                self.push(Op::Negate)
            }
            Some('+') => {
                self.take("+");
                self.expression(SIGN)
            }
            Some('(') => {
                self.take("(");
                self.expression(0)?;
                self.close()
            }
            Some(c) if c.is_ascii_digit() || c == '.' => self.number(),
            Some(c) if c.is_ascii_alphabetic() || c == '_' => self.name(),
            _ => Err(self.syntax("a number, x, a function or `(`")),
        }
    }

    fn close(&mut self) -> Result<(), ActivationError> {
        if self.take(")") { Ok(()) } else { Err(self.syntax("an operator or `)`")) }
    }

    fn number(&mut self) -> Result<(), ActivationError> {
        let bytes = self.rest.as_bytes();
        let digits =
            |from: usize| bytes.iter().skip(from).take_while(|b| b.is_ascii_digit()).count();
        let mut end = digits(0);
        if bytes.get(end) == Some(&b'.') {
            end += 1 + digits(end + 1);
        }
        // An `e` belongs to the number only with digits behind it.
        if matches!(bytes.get(end), Some(b'e' | b'E')) {
            let sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
            let exponent = digits(end + 1 + sign);
            if exponent > 0 {
                end += 1 + sign + exponent;
            }
        }
        match self.rest.get(..end).and_then(|word| word.parse::<f64>().ok()) {
            Some(number) if number.is_finite() => {
                self.take_word(end);
                self.push(Op::Number(number))
            }
            _ => Err(self.syntax("a finite number")),
        }
    }

    fn name(&mut self) -> Result<(), ActivationError> {
        let position = self.position();
        let end = self
            .rest
            .find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
            .unwrap_or(self.rest.len());
        let name = self.take_word(end);
        if self.take("(") {
            return self.call(name, position);
        }
        match name {
            "x" => self.push(Op::X),
            "pi" => self.push(Op::Number(consts::PI)),
            "e" => self.push(Op::Number(consts::E)),
            _ if function(name).is_some() => Err(self.syntax("`(` after the function")),
            _ => Err(ActivationError::UnknownVariable {
                name: shown(name),
                position,
                suggestion: nearest(name, function_names().into_iter().chain(["x", "pi", "e"])),
            }),
        }
    }

    fn call(&mut self, name: &str, position: usize) -> Result<(), ActivationError> {
        let Some((op, takes)) = function(name) else {
            return Err(ActivationError::UnknownFunction {
                name: shown(name),
                position,
                suggestion: nearest(name, function_names().into_iter()),
            });
        };
        let mut got = 0;
        if self.peek() != Some(')') {
            got = 1;
            self.expression(0)?;
            while self.take(",") {
                got += 1;
                self.expression(0)?;
            }
        }
        self.close()?;
        if got != takes {
            return Err(ActivationError::ArgumentCount { name: shown(name), position, takes, got });
        }
        self.push(op)
    }
}
