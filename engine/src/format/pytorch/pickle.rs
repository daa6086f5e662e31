//! A pickle machine that can only describe tensors: the instructions that `torch.save` writes for dicts of tensors and
//! plain values, with what they make counted against the pickle's length. No other instruction and no name outside
//! [`Global`] is accepted, so nothing a file says is ever run.
//!
//! The instructions: <https://github.com/python/cpython/blob/main/Lib/pickletools.py>.

use super::globals::Global;
use super::problem::{Problem, Result, STATE_DICT};
use crate::format::DType;
use std::collections::HashMap;

/// A value on the machine's stack. Containers are numbers of entries in [`Pickle`], so that a value that is used twice is
/// kept once, however it is nested.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Value<'p> {
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(&'p str),
    Global(Global),
    /// A list or a large number: nothing here needs its contents.
    Opaque,
    List,
    Tuple(Tuple),
    Dict(usize),
    Storage(usize),
    Tensor(usize),
}

/// A tuple: a piece of [`Pickle`]'s items.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Tuple {
    start: usize,
    len: usize,
}

/// The bytes that tensors share.
#[derive(Debug, Clone, Copy)]
pub(super) struct Storage<'p> {
    /// Its name in the zip.
    pub(super) key: &'p str,
    /// `None`: the tensors over it say.
    pub(super) dtype: Option<DType>,
    /// Its length in bytes, as the pickle says.
    pub(super) bytes: u64,
}

/// A tensor as the pickle describes it: nothing is checked yet.
#[derive(Debug, Clone, Copy)]
pub(super) struct RawTensor<'p> {
    pub(super) storage: Storage<'p>,
    pub(super) dtype: DType,
    /// The first value's position in the storage, in values.
    pub(super) offset: i64,
    pub(super) shape: Tuple,
    pub(super) strides: Tuple,
}

/// What a pickle describes.
#[derive(Debug)]
pub(super) struct Pickle<'p> {
    /// The value it is.
    pub(super) top: Value<'p>,
    pub(super) dicts: Vec<Vec<(Value<'p>, Value<'p>)>>,
    pub(super) tensors: Vec<RawTensor<'p>>,
    items: Vec<Value<'p>>,
    storages: Vec<Storage<'p>>,
    budget: usize,
}

/// No checkpoint of a hundred thousand tensors makes more values than this.
const MAX_VALUES: usize = 1 << 22;

impl<'p> Pickle<'p> {
    /// Reads a whole pickle.
    pub(super) fn read(bytes: &'p [u8]) -> Result<Self> {
        let pickle = Self {
            top: Value::None,
            dicts: Vec::new(),
            tensors: Vec::new(),
            items: Vec::new(),
            storages: Vec::new(),
            // A tensor takes some 25 values and never less than 45 bytes.
            budget: bytes.len().saturating_add(1024).min(MAX_VALUES),
        };
        let mut machine = Machine { rest: bytes, stack: Vec::new(), marks: Vec::new(), memo: HashMap::new(), pickle };
        loop {
            let [op] = machine.number::<1>()?;
            if op == b'.' {
                let top = machine.pop()?;
                return Ok(Self { top, ..machine.pickle });
            }
            machine.step(op)?;
        }
    }

    /// The values of a tuple.
    pub(super) fn tuple(&self, tuple: Tuple) -> &[Value<'p>] {
        self.items.get(tuple.start..tuple.start.saturating_add(tuple.len)).unwrap_or_default()
    }

    /// Counts values against what a pickle of this length can honestly describe.
    pub(super) fn charge(&mut self, values: usize) -> Result<()> {
        self.budget = self.budget.checked_sub(values).ok_or_else(unfolds)?;
        Ok(())
    }
}

struct Machine<'p> {
    rest: &'p [u8],
    stack: Vec<Value<'p>>,
    /// Heights of the stack where a collection begins.
    marks: Vec<usize>,
    memo: HashMap<u32, Value<'p>>,
    pickle: Pickle<'p>,
}

impl<'p> Machine<'p> {
    fn step(&mut self, op: u8) -> Result<()> {
        match op {
            // PROTO, FRAME: how the rest is written, which its instructions show by themselves
            0x80 => self.number::<1>().map(drop),
            0x95 => self.number::<8>().map(drop),
            b'(' => self.mark(),
            b'N' => self.push(Value::None),
            0x88 => self.push(Value::Bool(true)),
            0x89 => self.push(Value::Bool(false)),
            b'K' => self.number().map(u8::from_le_bytes).and_then(|n| self.push(Value::Int(n.into()))),
            b'M' => self.number().map(u16::from_le_bytes).and_then(|n| self.push(Value::Int(n.into()))),
            b'J' => self.number().map(i32::from_le_bytes).and_then(|n| self.push(Value::Int(n.into()))),
            0x8a => self.long(),
            b'G' => self.number().map(f64::from_be_bytes).and_then(|x| self.push(Value::Float(x))),
            0x8c => self.number().map(u8::from_le_bytes).and_then(|n| self.text(n.into())),
            b'X' => self.number().map(u32::from_le_bytes).and_then(|n| self.text(n as usize)),
            b']' => self.push(Value::List),
            b'}' => self.dict(),
            b')' => self.tuple(0),
            0x85 => self.tuple(1),
            0x86 => self.tuple(2),
            0x87 => self.tuple(3),
            b't' => self.marked().and_then(|from| self.tuple(self.stack.len() - from)),
            b'q' => self.number().map(u8::from_le_bytes).and_then(|n| self.put(n.into())),
            b'r' => self.number().map(u32::from_le_bytes).and_then(|n| self.put(n)),
            0x94 => self.put(u32::try_from(self.memo.len()).unwrap_or(u32::MAX)),
            b'h' => self.number().map(u8::from_le_bytes).and_then(|n| self.get(n.into())),
            b'j' => self.number().map(u32::from_le_bytes).and_then(|n| self.get(n)),
            // APPEND, APPENDS
            b'a' => self.pop().and_then(|_| self.list()),
            b'e' => self.marked().and_then(|from| {
                self.stack.truncate(from);
                self.list()
            }),
            // SETITEM, SETITEMS
            b's' => self.stack.len().checked_sub(2).ok_or_else(early).and_then(|from| self.set(from)),
            b'u' => self.marked().and_then(|from| self.set(from)),
            b'c' => self.global(),
            0x93 => self.stacked_global(),
            b'R' => self.reduce(),
            b'b' => self.build(),
            b'Q' => self.persistent(),
            _ => {
                let what = format!(
                    "expected tensors with names, found the pickle instruction 0x{op:02x}, which those never need"
                );
                Err(Problem::new(what, STATE_DICT))
            }
        }
    }

    fn take(&mut self, n: usize) -> Result<&'p [u8]> {
        let (taken, rest) = self.rest.split_at_checked(n).ok_or_else(early)?;
        self.rest = rest;
        Ok(taken)
    }

    fn number<const N: usize>(&mut self) -> Result<[u8; N]> {
        let (taken, rest) = self.rest.split_first_chunk::<N>().ok_or_else(early)?;
        self.rest = rest;
        Ok(*taken)
    }

    fn push(&mut self, value: Value<'p>) -> Result<()> {
        if self.stack.len() >= self.pickle.budget {
            return Err(unfolds());
        }
        self.stack.push(value);
        Ok(())
    }

    /// The last value; one that stands before a mark belongs to something else.
    fn pop(&mut self) -> Result<Value<'p>> {
        let floor = self.marks.last().copied().unwrap_or(0);
        if self.stack.len() <= floor { Err(early()) } else { self.stack.pop().ok_or_else(early) }
    }

    fn mark(&mut self) -> Result<()> {
        self.pickle.charge(1)?;
        self.marks.push(self.stack.len());
        Ok(())
    }

    /// Removes the last mark: the values from here on were collected since.
    fn marked(&mut self) -> Result<usize> {
        self.marks.pop().filter(|at| *at <= self.stack.len()).ok_or_else(early)
    }

    /// LONG1: torch writes it for numbers beyond 32 bits.
    fn long(&mut self) -> Result<()> {
        let [length] = self.number::<1>()?;
        let bytes = self.take(length.into())?;
        // Sign-extended from the last byte; more than 64 bits is no size of anything.
        let fill = if bytes.last().is_some_and(|b| b & 0x80 != 0) { 0xFF } else { 0 };
        let mut wide = [fill; 8];
        match wide.get_mut(..bytes.len()) {
            Some(low) => {
                low.copy_from_slice(bytes);
                self.push(Value::Int(i64::from_le_bytes(wide)))
            }
            None => self.push(Value::Opaque),
        }
    }

    fn text(&mut self, length: usize) -> Result<()> {
        let bytes = self.take(length)?;
        let text = std::str::from_utf8(bytes).map_err(|_| Problem::damaged("expected text in UTF-8 in the pickle"))?;
        self.push(Value::Text(text))
    }

    fn dict(&mut self) -> Result<()> {
        self.pickle.charge(1)?;
        self.pickle.dicts.push(Vec::new());
        self.push(Value::Dict(self.pickle.dicts.len() - 1))
    }

    fn tuple(&mut self, len: usize) -> Result<()> {
        let floor = self.marks.last().copied().unwrap_or(0);
        let from = self.stack.len().checked_sub(len).filter(|from| *from >= floor).ok_or_else(early)?;
        self.pickle.charge(len)?;
        let start = self.pickle.items.len();
        self.pickle.items.extend(self.stack.drain(from..));
        self.push(Value::Tuple(Tuple { start, len }))
    }

    fn put(&mut self, at: u32) -> Result<()> {
        self.pickle.charge(1)?;
        let value = *self.stack.last().ok_or_else(early)?;
        self.memo.insert(at, value);
        Ok(())
    }

    fn get(&mut self, at: u32) -> Result<()> {
        let value = *self.memo.get(&at).ok_or_else(early)?;
        self.push(value)
    }

    fn list(&mut self) -> Result<()> {
        match self.stack.last() {
            Some(Value::List) => Ok(()),
            other => Err(expected("a list", other)),
        }
    }

    /// Moves the pairs from here on into the dict before them.
    fn set(&mut self, from: usize) -> Result<()> {
        let floor = self.marks.last().copied().unwrap_or(0);
        let pairs = self.stack.len().checked_sub(from).filter(|n| n % 2 == 0).ok_or_else(early)? / 2;
        let target = from.checked_sub(1).filter(|at| *at >= floor).and_then(|at| self.stack.get(at));
        let Some(Value::Dict(dict)) = target.copied() else { return Err(expected("a dict", target)) };
        self.pickle.charge(2 * pairs)?;
        let Some(dict) = self.pickle.dicts.get_mut(dict) else { return Err(early()) };
        dict.extend(
            self.stack.drain(from..).as_slice().chunks_exact(2).filter_map(|p| Some((*p.first()?, *p.get(1)?))),
        );
        Ok(())
    }

    fn global(&mut self) -> Result<()> {
        let mut line = || {
            let end = self.rest.iter().position(|b| *b == b'\n').ok_or_else(early)?;
            let text = std::str::from_utf8(self.take(end)?).map_err(|_| early())?;
            self.take(1)?;
            Ok::<_, Problem>(text)
        };
        let (module, name) = (line()?, line()?);
        self.named(module, name)
    }

    fn stacked_global(&mut self) -> Result<()> {
        match (self.pop()?, self.pop()?) {
            (Value::Text(name), Value::Text(module)) => self.named(module, name),
            (other, _) => Err(expected("a name", Some(&other))),
        }
    }

    fn named(&mut self, module: &str, name: &str) -> Result<()> {
        let global = Global::of(module, name).ok_or_else(|| {
            let full: String = format!("{module}.{name}").chars().take(120).collect();
            Problem::new(format!("expected tensors with names, found something that needs Python's {full}"), STATE_DICT)
        })?;
        self.push(Value::Global(global))
    }

    /// A call of one of the names.
    fn reduce(&mut self) -> Result<()> {
        let (args, callable) = (self.pop()?, self.pop()?);
        let (Value::Tuple(args), Value::Global(callable)) = (args, callable) else {
            return Err(expected("a name and its arguments", Some(&callable)));
        };
        let given = self.pickle.tuple(args);
        match (callable, given) {
            (Global::OrderedDict, []) => self.dict(),
            (Global::Size, [size @ Value::Tuple(_)]) => self.push(*size),
            (Global::Parameter, [tensor @ Value::Tensor(_), _grad, _hooks]) => self.push(*tensor),
            (Global::Tensor, [storage, offset, shape, strides, _grad, _hooks, more @ ..]) => {
                self.tensor(None, [*storage, *offset, *shape, *strides], more.first().copied())
            }
            (
                Global::TensorOfBytes,
                [storage, offset, shape, strides, _grad, _hooks, Value::Global(Global::DType(d)), more @ ..],
            ) => self.tensor(Some(*d), [*storage, *offset, *shape, *strides], more.first().copied()),
            _ => Err(Problem::damaged(format!("{callable:?} in the pickle has arguments that it does not take"))),
        }
    }

    fn tensor(&mut self, dtype: Option<DType>, parts: [Value<'p>; 4], flags: Option<Value<'p>>) -> Result<()> {
        let [Value::Storage(storage), Value::Int(offset), Value::Tuple(shape), Value::Tuple(strides)] = parts else {
            return Err(Problem::damaged("expected a tensor's storage, offset, shape and strides in the pickle"));
        };
        let storage = *self.pickle.storages.get(storage).ok_or_else(early)?;
        let dtype =
            dtype.or(storage.dtype).ok_or_else(|| Problem::damaged("expected a tensor's type in the pickle"))?;
        if let Some(Value::Dict(flags)) = flags
            && self.pickle.dicts.get(flags).is_some_and(|f| f.iter().any(|(_, v)| *v != Value::Bool(false)))
        {
            let help = "call .resolve_conj().resolve_neg() on it before saving";
            return Err(Problem::new(
                "expected the values of tensors, found a conjugated or negated view of some",
                help,
            ));
        }
        self.pickle.charge(2)?;
        self.pickle.tensors.push(RawTensor { storage, dtype, offset, shape, strides });
        self.push(Value::Tensor(self.pickle.tensors.len() - 1))
    }

    /// A state of an object beside its contents: dicts of tensors have a version there, which says nothing about values.
    fn build(&mut self) -> Result<()> {
        match (self.pop()?, self.stack.last()) {
            (Value::Dict(_), Some(Value::Dict(_))) => Ok(()),
            (_, other) => Err(expected("a dict", other)),
        }
    }

    /// A storage: `("storage", type, key, device, length)`.
    fn persistent(&mut self) -> Result<()> {
        let value = self.pop()?;
        let parts = if let Value::Tuple(parts) = value { self.pickle.tuple(parts) } else { &[] };
        let [Value::Text("storage"), Value::Global(kind), Value::Text(key), _device, Value::Int(length)] = parts else {
            return Err(Problem::damaged("expected the name, the type and the length of a storage in the pickle"));
        };
        let (dtype, width) = match kind {
            Global::Storage(dtype) => (Some(*dtype), dtype.block_bytes() as u64),
            Global::UntypedStorage => (None, 1),
            _ => return Err(Problem::damaged("expected the type of a storage in the pickle")),
        };
        let bytes = u64::try_from(*length).ok().and_then(|n| n.checked_mul(width));
        let bytes = bytes.ok_or_else(|| Problem::damaged(format!("storage {key:?} cannot have {length} values")))?;
        let storage = Storage { key, dtype, bytes };
        self.pickle.charge(2)?;
        self.pickle.storages.push(storage);
        self.push(Value::Storage(self.pickle.storages.len() - 1))
    }
}

fn unfolds() -> Problem {
    Problem::new("the description of the tensors (data.pkl) unfolds to far more than its own length", STATE_DICT)
}

fn early() -> Problem {
    Problem::damaged("the description of the tensors (data.pkl) is broken: it ends early or contradicts itself")
}

fn expected(what: &str, found: Option<&Value>) -> Problem {
    let found = match found {
        None => "nothing",
        Some(Value::None | Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::Opaque) => "a plain value",
        Some(Value::Text(_)) => "text",
        Some(Value::Global(_)) => "a name",
        Some(Value::List | Value::Tuple(_)) => "a list",
        Some(Value::Dict(_)) => "a dict",
        Some(Value::Storage(_) | Value::Tensor(_)) => "a tensor",
    };
    Problem::damaged(format!("expected {what} in the pickle, found {found}"))
}
