// What can be known of the extension without a browser: `node kernel/lab/extension-test.mjs`.
import assert from 'node:assert/strict';
import { rhai } from './extension/static/rhai.js';
import { isNews } from './extension/static/runs.js';
import { percent, read, strength } from './extension/static/tokens.js';

/** As much of CodeMirror's StringStream as the parser uses. */
class Stream {
  constructor(text) {
    Object.assign(this, { text, pos: 0, start: 0, indentUnit: 4 });
  }
  sol = () => this.pos === 0;
  eol = () => this.pos >= this.text.length;
  next = () => this.text[this.pos++];
  skipToEnd = () => void (this.pos = this.text.length);
  indentation = () => this.text.match(/^ */)[0].length;
  eatSpace() {
    const from = this.pos;
    this.pos += this.text.slice(this.pos).match(/^\s*/)[0].length;
    return this.pos > from;
  }
  skipTo(text) {
    const at = this.text.indexOf(text, this.pos);
    if (at >= 0) this.pos = at;
    return at >= 0;
  }
  match(what, consume = true) {
    const rest = this.text.slice(this.pos);
    if (typeof what === 'string') {
      if (!rest.startsWith(what)) return null;
      if (consume) this.pos += what.length;
      return true;
    }
    const found = rest.match(what);
    if (found && found.index > 0) return null;
    if (found && consume) this.pos += found[0].length;
    return found;
  }
}

function parse(text) {
  const state = rhai.startState(4);
  const tokens = [];
  for (const line of text.split('\n')) {
    const stream = new Stream(line);
    while (!stream.eol()) {
      const from = stream.pos;
      const kind = rhai.token(stream, state);
      assert(stream.pos > from || state.inside.length > 0, `no step in ${line}`);
      tokens.push([line.slice(from, stream.pos), kind]);
    }
  }
  return { state, tokens };
}

const kinds = text => parse(text).tokens.filter(([word, kind]) => word.trim() && kind);
const kind = (text, word) => kinds(text).find(([found]) => found === word)?.[1];

assert.equal(kind('let x = 1;', 'let'), 'keyword');
assert.equal(kind('let x = 1;', 'x'), 'variableName.definition');
assert.equal(kind('fn twice(x) { x * 2 }', 'twice'), 'variableName.definition.function');
assert.equal(kind('load("sample").generate("Once")', 'load'), 'variableName.standard');
assert.equal(kind('load("sample").generate("Once")', 'generate'), 'propertyName.function');
assert.equal(kind('#{ top_k: 40 }', 'top_k'), 'propertyName');
assert.equal(kind('0xff + 1_000.5e-3', '1_000.5e-3'), 'number');
assert.equal(kind('1..5', '..'), 'operator');
assert.equal(kind("'\\u{1F600}'", "'\\u{1F600}'"), 'string');
assert.equal(kind('"a \\" b" + c', '"a \\" b"'), 'string');
assert.equal(kind('/* a /* b */ c */ d', '/* a /* b */ c */'), 'comment');
assert.equal(kind('/* a\n b */ x', 'x'), 'variableName');
assert.equal(kind('`a ${b + `c ${d}`} e` + f', 'd'), 'variableName');
assert.equal(kind('`a ${#{b: 1}} e` + f', ' e`'), 'string');
assert.equal(kind('`a ${b} e` + f', 'f'), 'variableName');
assert.equal(kind('##"raw "# text"## x', 'x'), 'variableName');
assert.equal(kind('%time f()', '%time'), 'meta');
assert.equal(kind('a\n%vars', '%vars'), 'meta');
assert.equal(kind('%%time\nlet x = 1;', 'let'), 'keyword');
assert.equal(kind('%%rust --in x\npub fn f<\'a>() {}', 'pub'), 'keyword');
assert.equal(kind("%%rust\nfn f<'a>() {}", "'a"), 'labelName');
assert.equal(kind('%%html\n<b>let</b>', '<b>let</b>'), undefined);
assert.equal(kind('let a = 1;\n%%rust', '%%rust'), undefined);

const indented = (text, after = '') => rhai.indent(parse(text).state, after);
assert.equal(indented('if a {'), 4);
assert.equal(indented('if a {', '}'), 0);
assert.equal(indented('f(#{', '})'), 0);
assert.equal(indented('if a {\n    b(', ''), 8);
assert.equal(indented('if a {\n}'), 0);
assert.equal(indented('`text'), null);
assert.equal(indented('let a = `${ b }`;'), 0);

const state = parse('`a ${ {').state;
const copy = rhai.copyState(state);
copy.inside[1].depth = 9;
copy.open.push({});
assert.notEqual(state.inside[1].depth, 9);
assert.notEqual(state.open.length, copy.open.length);

for (const text of ['}}}', '`${', '`${}}', '"', "'", '#', '"\\', '/*', '%', '%%', '\u{1F600}', '${', '`\\']) parse(text);

const good = { tokens: [{ text: ' a', id: 1, logprob: -0.1, top: [{ text: 'b', id: 2, logprob: null }] }], prompt: 1 };
assert.deepEqual(read(good), { tokens: good.tokens, prompt: 1 });
assert.deepEqual(read({ tokens: [{ text: 'a' }], prompt: 'x' }).prompt, 0);
for (const bad of [null, 3, 'x', [], {}, { tokens: {} }, { tokens: [null] }, { tokens: [{ text: 1 }] }]) assert.equal(read(bad), null);
for (const bad of [{ text: 'a', top: 3 }, { text: 'a', top: [null] }, { text: 'a', id: 'x' }, { text: 'a', logprob: 'x' }]) {
  assert.equal(read({ tokens: [bad] }), null);
}
assert.equal(strength(0), 0);
assert.equal(strength(-100), 1);
assert.equal(strength(null), 0);
assert.equal(percent(0), '100.00 %');
assert.equal(percent(Math.log(0.5)), '50.00 %');
assert.equal(percent(-30), '9.4e-12 %');

const model = (executionCount, executionState = 'idle', source = 'x') => ({
  executionCount, executionState, sharedModel: { getSource: () => source }
});
const run = { cell: 'a', request: 'b', done: true, count: 7 };
assert(isNews(model(null), run));
assert(isNews(model(6), run));
assert(isNews(model(7), { ...run, done: false }));
assert(isNews(model(null), { ...run, count: null }));
assert(!isNews(model(7), run));
assert(!isNews(model(null, 'running'), run));
assert(!isNews(model(null, 'idle', ' '), run));
console.log('the extension reads Rhai, tokens and runs as it should');
