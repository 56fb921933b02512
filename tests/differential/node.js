// What llhttp, as this Node has it and with its default strictness, makes of bytes. Cases come as in weft.cpp, and so do
// the answers. A method that llhttp does not know, a fault in a head and a fault in a body are told apart.
'use strict';
const {HTTPParser, methods, allMethods} = process.binding('http_parser');
const names = allMethods || methods;
const maxHeadBytes = 1 << 17;  // ours takes more than Node's default

const latin1 = (bytes) => Buffer.from(bytes).toString('latin1');

function pairs(flat) {
  const list = [];
  for (let i = 0; i + 1 < flat.length; i += 2) list.push([flat[i], flat[i + 1]]);
  return list;
}

function run(kind, bytes) {
  const result = {messages: []};
  let fields = [], url = '', message = null;
  const parser = new HTTPParser();
  parser.initialize(kind === 'Q' ? HTTPParser.REQUEST : HTTPParser.RESPONSE, {}, maxHeadBytes, 0);
  parser[HTTPParser.kOnHeaders] = (more, target) => {  // in batches, and trailers
    if (message && message.body !== undefined) message.trailers.push(...pairs(more));
    else { fields.push(...more); url += target; }
  };
  parser[HTTPParser.kOnHeadersComplete] =
      (major, minor, all, method, target, status, reason, upgrade, keepAlive) => {
        message = {version: `${major}.${minor}`, headers: pairs(all || fields), body: '', trailers: [],
                   complete: false, last: upgrade || !keepAlive};
        if (kind === 'Q') Object.assign(message, {method: names[method], target: target === undefined ? url : target});
        else Object.assign(message, {status, reason});
        fields = [];
        url = '';
        result.messages.push(message);
        // As Node's client: no body follows the answer to HEAD, nor an interim response or 304.
        return kind !== 'Q' && (kind === 'H' || status === 304 || (status < 200 && status !== 101)) ? 1 : 0;
      };
  parser[HTTPParser.kOnBody] = (buffer, at, size) => {
    message.body += latin1(at === undefined ? buffer : buffer.subarray(at, at + size));
  };
  parser[HTTPParser.kOnMessageComplete] = () => {
    message.complete = true;
    message = null;
  };
  let outcome = parser.execute(bytes);
  if (!(outcome instanceof Error)) outcome = parser.finish();
  const last = result.messages[result.messages.length - 1];
  if (outcome instanceof Error && outcome.code !== 'HPE_INVALID_EOF_STATE') {
    result.end = 'refused';
    result.why = outcome.code;
  } else {
    result.end = (last && !last.complete) || outcome instanceof Error ? 'more' : 'closed';
  }
  parser.close();
  return result;
}

const input = require('fs').readFileSync(0);
const lines = [];
for (let at = 0; at < input.length;) {
  const size = input.readUInt32BE(at + 1);
  lines.push(JSON.stringify(run(String.fromCharCode(input[at]), input.subarray(at + 5, at + 5 + size))));
  at += 5 + size;
}
process.stdout.write(lines.join('\n') + '\n');
