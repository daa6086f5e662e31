//! How a function, a property or a type comes into the language together with what people read about it.
//!
//! The documentation is text in one form, whether it stands here or above a function in a cell: what it does, then its
//! options (`- name: type = default: what it does`, see [`super::names::Documentation`]), then an example between
//! fences. `help`, completion, inspection and the reference read that text.

use super::options::OptionSpec;
use rhai::{Engine, FuncRegistration, Module, RhaiFunc, RhaiNativeFunc, Variant};
use std::any::TypeId;
use std::panic::Location;

/// The name under which a type's documentation is kept among the functions; no script can call it.
pub(super) const TYPE: &str = "type$";
/// Starts the comment that says which file of this folder a function comes from.
pub(super) const FROM: &str = "//@ ";

/// A function that is being defined.
#[must_use]
pub struct Definition {
    registration: FuncRegistration,
    doc: String,
    from: &'static str,
}

/// Starts the definition of a function that people can look up: its name, its parameters as they read in a signature
/// (`"prompt: string"`; one more than the function has names what it returns), and what it does.
///
/// ```
/// # let mut engine = rhai::Engine::new();
/// use minerva_kernel::script::define;
/// define("twice", &["n: int", "int"], "Two times n.")
///     .example("twice(4) // → 8")
///     .register_into_engine(&mut engine, |n: i64| 2 * n);
/// ```
#[track_caller]
pub fn define(name: &str, params: &[&str], doc: &str) -> Definition {
    Definition::new(FuncRegistration::new(name).with_params_info(params), doc)
}

/// Starts the definition of a property of a type: its name, the parameters `["g: Generation", "string"]`, what it is.
#[track_caller]
pub fn property(name: &str, params: &[&str; 2], doc: &str) -> Definition {
    Definition::new(FuncRegistration::new_getter(name).with_params_info(params), doc)
}

/// Registers a type under the name that scripts and signatures call it, with what it is and how it is used.
#[track_caller]
pub fn define_type<T: Variant + Clone>(engine: &mut Engine, name: &str, doc: &str, example: &str) {
    engine.register_type_with_name::<T>(name);
    let registration = FuncRegistration::new(format!("{TYPE}{name}")).with_params_info([format!("value: {name}")]);
    Definition::new(registration, doc).example(example).register_into_engine(engine, |_: &mut T| ());
}

impl Definition {
    #[track_caller]
    fn new(registration: FuncRegistration, doc: &str) -> Self {
        Self { registration, doc: doc.to_owned(), from: Location::caller().file() }
    }

    /// With the options that its map can have, from the tables that also check them.
    pub fn options(mut self, tables: &[&[OptionSpec]]) -> Self {
        self.doc.push_str("\n\nOptions:");
        for option in tables.iter().copied().flatten() {
            self.doc.push_str(&format!("\n- {option}"));
        }
        self
    }

    /// With an example; the tests run it, and what follows `// →` on a line is what that line must give.
    pub fn example(self, code: &str) -> Self {
        self.fenced("", code)
    }

    /// With an example that cannot run everywhere, since it names files or models that a person must have.
    pub fn example_not_run(self, code: &str) -> Self {
        self.fenced("no_run", code)
    }

    fn fenced(mut self, mark: &str, code: &str) -> Self {
        self.doc.push_str(&format!("\n\n```{mark}\n{code}\n```"));
        self
    }

    /// Registers the function.
    pub fn register_into_engine<A: 'static, const N: usize, const X: bool, R, const F: bool, FUNC>(
        self,
        engine: &mut Engine,
        function: FUNC,
    ) where
        R: Variant + Clone,
        FUNC: RhaiNativeFunc<A, N, X, R, F> + Send + Sync + 'static,
    {
        self.commented().register_into_engine(engine, function);
    }

    /// Puts a function that takes its arguments as they come, of these types, into a module.
    pub fn set_into_module_raw(self, module: &mut Module, types: Vec<TypeId>, function: RhaiFunc) {
        self.commented().in_global_namespace().set_into_module_raw(module, types, function);
    }

    fn commented(self) -> FuncRegistration {
        let lines: Vec<String> = self.doc.lines().map(|line| format!("/// {line}")).collect();
        let from = format!("{FROM}{}", self.from);
        self.registration.with_comments([lines.join("\n"), from])
    }
}
