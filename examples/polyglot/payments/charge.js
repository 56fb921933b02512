// Takes every charge and gives a receipt.
const http = require('http');

let receipts = 0;
const server = http.createServer((request, response) => {
  request.resume().on('end', () => {
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify({ receipt: `receipt-${++receipts}` }));
  });
});
server.listen(Number(process.env.PORT), process.env.HOST);
process.on('SIGTERM', () => server.close());
