// Notebooks that the test writes, and reads back from the disk.
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';

const KERNEL = {
  kernelspec: { display_name: 'Minerva', language: 'rhai', name: 'minerva' },
  language_info: { file_extension: '.rhai', mimetype: 'text/x-rustsrc', name: 'rhai' },
};

const code = (source, outputs = []) => ({ cell_type: 'code', source, outputs, execution_count: null, metadata: {} });
const markdown = source => ({ cell_type: 'markdown', source, metadata: {} });
const shows = data => code('()', [{ output_type: 'display_data', metadata: {}, data }]);

/** Writes a notebook; a text is a cell of code. */
export function write(root, name, cells, metadata = {}) {
  const whole = cells.map((cell, n) => ({ id: `cell-${n}`, ...(typeof cell === 'string' ? code(cell) : cell) }));
  const notebook = { cells: whole, metadata: { ...KERNEL, ...metadata }, nbformat: 4, nbformat_minor: 5 };
  writeFileSync(path.join(root, name), JSON.stringify(notebook, null, 1) + '\n');
  return name;
}

export const read = (root, name) => JSON.parse(readFileSync(path.join(root, name), 'utf8'));

/** The text that a cell's streams have printed, as the file has it. */
export const printed = cell =>
  cell.outputs.filter(o => o.output_type === 'stream').map(o => [o.text].flat().join('')).join('');

// One orange pixel.
const PNG = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8n8BQDwAEgAF/pooBPQAAAABJRU5ErkJggg==';

const CHART = {
  $schema: 'https://vega.github.io/schema/vega-lite/v5.json',
  width: 300, height: 150, mark: 'bar',
  data: { values: [{ token: ' be', p: 0.6 }, { token: ' the', p: 0.3 }, { token: ',', p: 0.1 }] },
  encoding: { x: { field: 'token', type: 'nominal' }, y: { field: 'p', type: 'quantitative' } },
};

const TOKENS = {
  tokens: [
    { text: 'To', id: 312, logprob: -0.01, top: [{ text: 'So', id: 55, logprob: -5.1 }] },
    { text: ' be', id: 27, logprob: -3.2, top: [{ text: ' me', id: 99, logprob: -0.4 }] },
    { text: '\n', id: 198, logprob: -6.5 },
  ],
};

// Marks the window if it runs. Nothing that a file brings may run before a person has said that the file is trusted.
const SCRIPT = 'window.ranFromTheFile = true';
const HOSTILE = `<p>harmless</p><script>${SCRIPT}</script><img alt="" src="data:image/png;base64,AA" onerror="${SCRIPT}">`;

/** A notebook with one output of each kind that is drawn, made elsewhere, and which says of itself that it is trusted. */
export function renderers(root, name) {
  const formulas = '$e^{i\\pi} + 1 = 0$\n\n$$\\int_0^1 x^2\\,dx = \\tfrac13$$';
  const diagram = '```mermaid\ngraph LR; text --> tokens --> model\n```';
  return write(root, name, [
    markdown(`# Drawn\n\n${formulas}\n\n${diagram}\n`),
    shows({ 'text/html': '<table class="mine"><tr><td>cell of a table</td></tr></table>', 'text/plain': 'a table' }),
    shows({ 'application/vnd.vegalite.v5+json': CHART, 'text/plain': 'a chart' }),
    shows({ 'image/png': PNG, 'text/plain': 'a picture' }),
    shows({ 'application/json': { layers: [{ heads: 12 }] }, 'text/plain': 'a tree' }),
    shows({ 'application/vnd.minerva.tokens+json': TOKENS, 'text/plain': 'tokens' }),
    shows({ 'text/latex': '$\\alpha^2 + \\beta^2$', 'text/plain': 'a formula' }),
    shows({ 'text/html': HOSTILE, 'text/plain': 'nothing good' }),
    'bar(["a", "b"], [1, 2])',
    'load("sample").generate("To be", #{ max_tokens: 5, seed: 1, logprobs: 3 })',
  ], { trusted: true });
}
