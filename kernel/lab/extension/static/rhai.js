// Rhai for CodeMirror: a stream parser, from which StreamLanguage makes colours and indentation.

const words = text => new Set(text.split(' '));
const KEYWORDS = words('let const fn if else while loop do until for in continue break return throw try catch switch import export as global private is is_def_var is_def_fn is_shared');
const RUST_KEYWORDS = words('as async await break const continue crate dyn else enum extern fn for if impl in let loop match mod move mut pub ref return static struct super trait type unsafe use where while');
const BOOLS = words('true false');
const SELF = words('this self Self');
const BUILTINS = words('print debug type_of Fn call curry eval load open sample display html markdown plot progress convert quantize bench compare help input password range tensor timestamp len');

const IDENTIFIER = /^[\p{L}_][\p{L}\p{N}_]*/u;
const NUMBER = /^(?:0[xX][\da-fA-F_]+|0[oO][0-7_]+|0[bB][01_]+|\d[\d_]*(?:\.\d[\d_]*)?(?:[eE][+-]?\d+)?)/;
const RUST_SUFFIX = /^(?:[iuf]\d+|[iu]size)\b/;
const CHARACTER = /^'(?:\\(?:x[\da-fA-F]{2}|u[\da-fA-F]{4}|U[\da-fA-F]{8}|u\{[\da-fA-F_]*\}|.)|[^'\\])'/u;
const LIFETIME = /^'[A-Za-z_]\w*/;
const OPERATOR = /^(?:=>|->|\?\?=?|\?\.|\?\[|\*\*=?|<<=?|>>=?|&&|\|\||::|\.\.=?|[-+*/%&|^!=<>]=?|[~?:@$])/;
const ESCAPE = /^\\(?:x[\da-fA-F]{2}|u[\da-fA-F]{4}|U[\da-fA-F]{8}|u\{[\da-fA-F_]*\}|.|$)/;
const CELL_MAGIC = /^%%([A-Za-z]\w*)/;
const LINE_MAGIC = /^%[A-Za-z]\w*/;

function startState() {
  // `inside`: what the text stands in, the innermost last. `open`: brackets, each with two indentations.
  return { inside: [], open: [], before: '', language: 'rhai', begun: false, line: 0 };
}

function copyState(state) {
  return { ...state, inside: state.inside.map(level => ({ ...level })), open: state.open.map(level => ({ ...level })) };
}

function token(stream, state) {
  if (stream.sol()) {
    state.line = stream.indentation();
    if (state.inside[state.inside.length - 1]?.kind === 'magic') {
      state.inside.pop();
    }
    if (state.inside.length === 0) {
      const magic = atMagic(stream, state);
      if (magic !== undefined) {
        return magic;
      }
    }
  }
  if (state.language === 'text') {
    stream.skipToEnd();
    return null;
  }
  const level = state.inside[state.inside.length - 1];
  switch (level?.kind) {
    case 'comment':
      return inComment(stream, state, level);
    case 'string':
      return inString(stream, state);
    case 'raw':
      return inRaw(stream, state, level);
    case 'template':
      return inTemplate(stream, state);
    default:
      return inCode(stream, state, level);
  }
}

/** Magics stand at the start of a line, those of a whole cell at the start of the cell. */
function atMagic(stream, state) {
  const cell = !state.begun && stream.match(CELL_MAGIC);
  if (cell) {
    state.begun = true;
    state.language = cell[1] === 'rust' ? 'rust' : cell[1] === 'html' || cell[1] === 'markdown' ? 'text' : 'rhai';
    state.inside.push({ kind: 'magic' });
    return 'meta';
  }
  if (stream.match(/^\s*$/, false)) {
    return undefined;
  }
  state.begun = true;
  return state.language === 'rhai' && stream.match(LINE_MAGIC) ? 'meta' : undefined;
}

function inCode(stream, state, level) {
  if (level?.kind === 'magic') {
    // The rest of the line of a cell magic.
    state.inside.pop();
    stream.skipToEnd();
    return 'meta';
  }
  if (stream.eatSpace()) {
    return null;
  }
  if (stream.match(/^\/\/[/!]?/)) {
    stream.skipToEnd();
    return 'comment';
  }
  if (stream.match('/*')) {
    state.inside.push({ kind: 'comment', depth: 1 });
    return inComment(stream, state, state.inside[state.inside.length - 1]);
  }
  const rust = state.language === 'rust';
  const raw = stream.match(rust ? /^r(#*)"/ : /^(#+)"/);
  if (raw) {
    state.before = '';
    state.inside.push({ kind: 'raw', end: `"${raw[1]}` });
    return inRaw(stream, state, state.inside[state.inside.length - 1]);
  }
  if (stream.match('"')) {
    state.before = '';
    state.inside.push({ kind: 'string' });
    return inString(stream, state);
  }
  if (!rust && stream.match('`')) {
    state.before = '';
    state.inside.push({ kind: 'template' });
    return inTemplate(stream, state);
  }
  return plain(stream, state, level, rust);
}

function plain(stream, state, level, rust) {
  const before = state.before;
  state.before = '';
  if (stream.match(CHARACTER)) {
    return 'string';
  }
  if (rust && stream.match(LIFETIME)) {
    return 'labelName';
  }
  if (stream.match(NUMBER)) {
    if (rust) {
      stream.match(RUST_SUFFIX);
    }
    return 'number';
  }
  if (rust && stream.match(/^#!?(?=\[)/)) {
    return 'meta';
  }
  const word = stream.match(IDENTIFIER);
  if (word) {
    return name(stream, state, word[0], before, rust);
  }
  if (stream.match(/^(?:#\{|[([{])/)) {
    bracket(stream, state, level, 1);
    return 'bracket';
  }
  if (stream.match(/^[)\]}]/)) {
    return bracket(stream, state, level, -1) ? 'string.special' : 'bracket';
  }
  const operator = stream.match(OPERATOR);
  if (operator) {
    state.before = operator[0] === '?.' ? '.' : '';
    return 'operator';
  }
  if (stream.next() === '.') {
    state.before = '.';
  }
  return 'punctuation';
}

function name(stream, state, word, before, rust) {
  const called = stream.match(/^\s*!?\(/, false) || (rust && stream.match(/^![([{]/, false));
  if (before === '.') {
    return called ? 'propertyName.function' : 'propertyName';
  }
  if (BOOLS.has(word)) {
    return 'bool';
  }
  if (SELF.has(word)) {
    return 'self';
  }
  if ((rust ? RUST_KEYWORDS : KEYWORDS).has(word)) {
    state.before = word;
    return 'keyword';
  }
  if (before === 'fn') {
    return 'variableName.definition.function';
  }
  if (before === 'let' || before === 'const') {
    return 'variableName.definition';
  }
  if (!rust && stream.match(/^\s*:(?!:)/, false)) {
    return 'propertyName';
  }
  if (called) {
    return !rust && BUILTINS.has(word) ? 'variableName.standard' : 'variableName.function';
  }
  return rust && /^[A-Z]/.test(word) ? 'typeName' : 'variableName';
}

/** Counts a bracket. True where it ends the hole of a template. */
function bracket(stream, state, level, by) {
  if (by > 0) {
    // Brackets of one line indent once, whichever of them is closed first.
    state.open.push({ base: state.line, inner: state.line + stream.indentUnit });
  } else {
    state.open.pop();
  }
  if (level?.kind !== 'hole') {
    return false;
  }
  level.depth += by;
  if (level.depth > 0) {
    return false;
  }
  state.inside.pop();
  return true;
}

function inComment(stream, state, level) {
  while (!stream.eol()) {
    if (stream.match('*/')) {
      level.depth -= 1;
      if (level.depth === 0) {
        state.inside.pop();
        break;
      }
    } else if (stream.match('/*')) {
      level.depth += 1;
    } else {
      stream.next();
    }
  }
  return 'comment';
}

function inString(stream, state) {
  while (!stream.eol()) {
    if (stream.match('"')) {
      state.inside.pop();
      return 'string';
    }
    if (stream.match(/^\\$/)) {
      // The string goes on in the next line.
      return 'string';
    }
    if (!stream.match(ESCAPE)) {
      stream.next();
    }
  }
  if (state.language === 'rhai') {
    state.inside.pop();
  }
  return 'string';
}

function inRaw(stream, state, level) {
  if (stream.skipTo(level.end)) {
    stream.match(level.end);
    state.inside.pop();
  } else {
    stream.skipToEnd();
  }
  return 'string';
}

function inTemplate(stream, state) {
  if (stream.match('${')) {
    state.open.push({ base: state.line, inner: state.line + stream.indentUnit });
    state.inside.push({ kind: 'hole', depth: 1 });
    return 'string.special';
  }
  while (!stream.eol()) {
    if (stream.match('`')) {
      // Two of them are one that is meant.
      if (!stream.match('`')) {
        state.inside.pop();
        return 'string';
      }
    } else if (stream.match('${', false)) {
      return 'string';
    } else {
      stream.next();
    }
  }
  return 'string';
}

function indent(state, textAfter) {
  if (state.inside.some(level => level.kind !== 'hole' && level.kind !== 'magic')) {
    return null;
  }
  const innermost = state.open[state.open.length - 1];
  if (innermost === undefined) {
    return 0;
  }
  return /^[)\]}]/.test(textAfter) ? innermost.base : innermost.inner;
}

export const rhai = {
  name: 'rhai',
  startState,
  copyState,
  token,
  indent,
  languageData: {
    commentTokens: { line: '//', block: { open: '/*', close: '*/' } },
    closeBrackets: { brackets: ['(', '[', '{', '"', '`', "'"] },
    indentOnInput: /^\s*[)\]}]$/
  }
};
