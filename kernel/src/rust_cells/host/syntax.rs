//! What the parser tells about a cell.

use crate::rust_cells::protocol::Function;
use ra_ap_syntax::ast::{
    self, AstNode, GenericArg, HasDocComments, HasGenericArgs, HasGenericParams, HasModuleItem, HasName, HasVisibility,
};
use ra_ap_syntax::{Edition, SourceFile};

/// Whether a line can stand before the first line of code: a command of evcxr (`:dep …`), a shell line, a comment, nothing.
pub fn before_code(line: &str) -> bool {
    let command = line.trim_start_matches(' ').starts_with(':');
    command || line.starts_with('!') || line.starts_with("//") || line.trim().is_empty()
}

/// How a cell ends. Places are in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// It cannot be read.
    Broken,
    /// In a statement, or in nothing.
    Statement,
    /// In a loop or a print without a semicolon, whose value is `()`; here it ends.
    Loop(usize),
    /// In an expression whose value is shown; here it starts.
    Value(usize),
}

const OPEN: &str = "fn cell() {\n";

/// The statements of a cell, as the body of a function that starts after [`OPEN`].
fn statements(code: &str) -> Option<(ast::StmtList, bool)> {
    let parse = SourceFile::parse(&format!("{OPEN}{code}\n}}"), Edition::CURRENT);
    let whole = parse.errors().is_empty();
    let function = parse.tree().items().find_map(|item| if let ast::Item::Fn(f) = item { Some(f) } else { None })?;
    Some((function.body()?.stmt_list()?, whole))
}

/// How a cell ends.
pub fn ending(code: &str) -> Ending {
    let Some((list, true)) = statements(code) else { return Ending::Broken };
    let Some(expression) = list.tail_expr() else { return Ending::Statement };
    let is_loop = match &expression {
        ast::Expr::ForExpr(_) | ast::Expr::WhileExpr(_) | ast::Expr::LoopExpr(_) => true,
        ast::Expr::IfExpr(e) => e.else_branch().is_none(),
        ast::Expr::BinExpr(e) => matches!(e.op_kind(), Some(ast::BinaryOp::Assignment { .. })),
        ast::Expr::MacroExpr(e) => {
            let name = e.macro_call().and_then(|m| m.path()).map(|p| p.syntax().text().to_string());
            let unit = ["print", "println", "eprint", "eprintln", "assert", "assert_eq"];
            name.is_some_and(|n| unit.contains(&n.as_str()))
        }
        _ => false,
    };
    let range = expression.syntax().text_range();
    let at = |offset| usize::from(offset).saturating_sub(OPEN.len());
    if is_loop { Ending::Loop(at(range.end())) } else { Ending::Value(at(range.start())) }
}

/// The variables that the cell's own statements define.
pub fn variables(code: &str) -> Vec<String> {
    let Some((list, _)) = statements(&without_commands(code)) else { return Vec::new() };
    let lets = list.statements().filter_map(|s| if let ast::Stmt::LetStmt(l) = s { l.pat() } else { None });
    let names = lets.flat_map(|p| p.syntax().descendants().filter_map(ast::IdentPat::cast).collect::<Vec<_>>());
    names.filter_map(|p| Some(p.name()?.text().to_string())).collect()
}

/// The functions that the cell defines; those that are not `pub` with a problem, for they replace one of that name.
pub fn functions(code: &str) -> Vec<Function> {
    let Some((list, _)) = statements(&without_commands(code)) else { return Vec::new() };
    let items = list.statements().filter_map(|s| match s {
        ast::Stmt::Item(ast::Item::Fn(f)) => function(&f),
        _ => None,
    });
    items.collect()
}

fn without_commands(code: &str) -> String {
    let head = code.lines().take_while(|l| before_code(l)).count();
    code.lines().skip(head).collect::<Vec<_>>().join("\n")
}

/// The problem of a function that is not `pub`.
pub const PRIVATE: &str = "it is not `pub`";

fn function(f: &ast::Fn) -> Option<Function> {
    let name = f.name()?.text().to_string();
    let mut params = Vec::new();
    let mut problem = match f.visibility() {
        None => Some(PRIVATE.to_owned()),
        Some(_) if f.generic_param_list().is_some_and(|g| g.type_or_const_params().next().is_some()) => {
            Some("it is generic".to_owned())
        }
        Some(_) if f.async_token().is_some() => Some("it is `async`".to_owned()),
        Some(_) if f.unsafe_token().is_some() => Some("it is `unsafe`".to_owned()),
        Some(_) => None,
    };
    for (n, param) in f.param_list().into_iter().flat_map(|l| l.params()).enumerate() {
        let name = match param.pat() {
            Some(ast::Pat::IdentPat(p)) => p.name().map(|n| n.text().to_string()),
            _ => None,
        };
        let name = name.unwrap_or_else(|| format!("a{n}"));
        let ty = param.ty();
        let kind = ty.as_ref().map_or(String::new(), text);
        if !ty.is_some_and(|t| comes_in(&t)) {
            problem = problem.or_else(|| Some(format!("no value of a script becomes its parameter `{name}: {kind}`")));
        }
        params.push((name, kind));
    }
    const MOST: usize = 12;
    if params.len() > MOST {
        problem = problem.or_else(|| Some(format!("it has more than {MOST} parameters")));
    }
    let result = f.ret_type().and_then(|r| r.ty());
    let returns = result.as_ref().map_or(String::new(), text);
    if result.is_some_and(|t| !goes_out(&t, true)) {
        problem = problem.or_else(|| Some(format!("its result `{returns}` does not become a value of a script")));
    }
    let doc: Vec<String> = f.doc_comments().map(|c| c.doc_comment().map_or("", |(d, _)| d).trim().to_owned()).collect();
    Some(Function { name, params, returns, doc: doc.join("\n"), problem })
}

fn text(ty: &ast::Type) -> String {
    ty.syntax().text().to_string()
}

/// The type under which an argument is taken, and whether a reference to it is passed.
pub fn taken(kind: &str) -> (String, bool) {
    let Some(inner) = kind.trim().strip_prefix('&') else { return (kind.to_owned(), false) };
    let inner = inner.trim();
    let inner = inner.strip_prefix('\'').and_then(|l| l.split_once(' ')).map_or(inner, |(_, rest)| rest.trim());
    match (inner, inner.strip_prefix('[').and_then(|i| i.strip_suffix(']'))) {
        ("str", _) => ("String".to_owned(), true),
        (_, Some(item)) => (format!("Vec<{item}>"), true),
        (other, _) => (other.to_owned(), true),
    }
}

fn comes_in(ty: &ast::Type) -> bool {
    match ty {
        ast::Type::RefType(r) if r.mut_token().is_none() => match r.ty() {
            Some(ast::Type::SliceType(s)) => s.ty().is_some_and(|t| owned(&t, &|t| owned_in(t))),
            Some(ast::Type::PathType(p)) if p.syntax().text() == "str" => true,
            Some(inner) => owned_in(&inner),
            None => false,
        },
        other => owned_in(other),
    }
}

fn owned_in(ty: &ast::Type) -> bool {
    owned(ty, &owned_in)
}

fn goes_out(ty: &ast::Type, outermost: bool) -> bool {
    match ty {
        ast::Type::RefType(r) => r.ty().is_some_and(|t| t.syntax().text() == "str" || goes_out(&t, false)),
        ast::Type::ArrayType(a) => a.ty().is_some_and(|t| goes_out(&t, false)),
        ast::Type::PathType(p) if outermost && last_name(p) == "Result" => {
            arguments(p).first().is_some_and(|t| goes_out(t, false))
        }
        other => owned(other, &|t| goes_out(t, false)),
    }
}

/// Whether a type stands for values of scripts by its name, given which types may stand inside it.
fn owned(ty: &ast::Type, inside: &dyn Fn(&ast::Type) -> bool) -> bool {
    const PLAIN: &[&str] = &[
        "bool", "char", "i8", "i16", "i32", "i64", "i128", "isize", "u8", "u16", "u32", "u64", "u128", "usize", "f32",
        "f64", "String", "Tensor", "Value",
    ];
    match ty {
        ast::Type::ParenType(p) => p.ty().is_some_and(|t| owned(&t, inside)),
        ast::Type::TupleType(t) => t.fields().count() <= 5 && t.fields().all(|t| inside(&t)),
        ast::Type::PathType(p) => match (last_name(p).as_str(), arguments(p).as_slice()) {
            (name, []) => PLAIN.contains(&name),
            ("Vec" | "Option", [item]) => inside(item),
            ("HashMap" | "BTreeMap", [key, item]) => key.syntax().text() == "String" && inside(item),
            _ => false,
        },
        _ => false,
    }
}

fn last_name(p: &ast::PathType) -> String {
    let segment = p.path().and_then(|p| p.segment()).and_then(|s| s.name_ref());
    segment.map_or(String::new(), |n| n.text().to_string())
}

fn arguments(p: &ast::PathType) -> Vec<ast::Type> {
    let list = p.path().and_then(|p| p.segment()).and_then(|s| s.generic_arg_list());
    let types = list.into_iter().flat_map(|l| l.generic_args()).filter_map(|a| match a {
        GenericArg::TypeArg(t) => t.ty(),
        _ => None,
    });
    types.collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn functions_that_scripts_can_call_are_told_from_others() {
        let code = "use std::collections::HashMap;
            /// Doubles.\n            /// Twice.\n            pub fn double(x: f64) -> f64 { x * 2.0 }
            pub fn many(a: &[f32], b: &str, c: HashMap<String, Vec<i64>>, d: &minerva::Tensor) -> Result<Vec<Tensor>, String> { todo!() }
            pub fn generic<T>(x: T) {} pub fn changes(x: &mut f64) {} pub fn own(x: Vec<Own>) {} fn private() {}
            pub fn out() -> Own { Own } pub async fn later() {} pub fn pairs(a: (i64, bool)) -> [f64; 3] { [0.0; 3] }";
        let all = functions(code);
        let problem = |name: &str| all.iter().find(|f| f.name == name).unwrap().problem.clone().unwrap_or_default();
        assert_eq!(all[0].doc, "Doubles.\nTwice.");
        assert_eq!(all[0].params, [("x".to_owned(), "f64".to_owned())]);
        for name in ["double", "many", "pairs"] {
            assert_eq!(problem(name), "", "{name}");
        }
        assert!(problem("changes").contains("`x: &mut f64`") && problem("own").contains("Vec<Own>"));
        assert!(
            problem("generic").contains("generic")
                && problem("later").contains("async")
                && problem("out").contains("Own")
        );
        assert_eq!(problem("private"), PRIVATE);
    }

    #[test]
    fn references_are_taken_as_what_they_refer_to() {
        let taken = |k| taken(k);
        assert_eq!(taken("&str"), ("String".into(), true));
        assert_eq!(taken("&'static str"), ("String".into(), true));
        assert_eq!(taken("& [f32]"), ("Vec<f32>".into(), true));
        assert_eq!(taken("&Tensor"), ("Tensor".into(), true));
        assert_eq!(taken("i64"), ("i64".into(), false));
    }

    #[test]
    fn variables_are_those_of_the_cell_itself() {
        assert_eq!(
            variables(":dep x\nlet a = 1; let (b, mut c) = (1, 2); { let inner = 1; } fn f() { let g = 2; }"),
            ["a", "b", "c"]
        );
        assert_eq!(ending("let a = 1;\na"), Ending::Value(11));
        assert_eq!(ending("let a = (;\na"), Ending::Broken);
    }
}
