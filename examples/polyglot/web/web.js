// A page with the orders; what is posted to /orders goes to the API.
const http = require('http');

const api = new URL(process.env.API_URL);

function ask(request, path, done) {
  const asked = http.request(
    { host: api.hostname, port: api.port, path, method: request.method, headers: { 'content-length': request.headers['content-length'] || 0 } },
    (answer) => {
      let body = '';
      answer.on('data', (piece) => { body += piece; });
      answer.on('end', () => done(answer.statusCode, body));
    });
  asked.on('error', (error) => done(502, String(error)));
  request.pipe(asked);
}

const server = http.createServer((request, response) => {
  ask(request, '/orders', (status, body) => {
    if (status !== 200 || request.url === '/orders') {
      response.writeHead(status, { 'content-type': 'application/json' });
      return response.end(body);
    }
    const { orders, packed } = JSON.parse(body);
    response.setHeader('content-type', 'text/html; charset=utf-8');
    response.end(`<!doctype html><title>Orders</title><p>${orders} orders, ${packed} packed</p>\n`);
  });
});
server.listen(Number(process.env.PORT), process.env.HOST);
process.on('SIGTERM', () => server.close());
