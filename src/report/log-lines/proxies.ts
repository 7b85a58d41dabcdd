/** Lines of proxies in front of etcd, which are servers for its clients and clients of etcd. */
import { DECIDE, type LineRow, UNTRUSTED_CLIENT, UNTRUSTED_SERVER } from './line.js'

/** Before the words of OpenSSL, which are in the same lines. */
export const PROXY_LINES: readonly LineRow[] = [
  {
    id: 'nginx/client-sent-alert',
    program: 'nginx',
    pattern: 'SSL alert number \\d+\\) while SSL handshaking, client:',
    direction: 'server-refused-by-client',
    meaning:
      "nginx wrote this as the server in front of etcd: the client that dialled nginx refuses nginx's certificate.",
    codes: [...UNTRUSTED_SERVER, 'san/host-not-covered', 'validity/expired'],
    decide: DECIDE.verifyServer,
    example:
      'SSL_do_handshake() failed (SSL: error:0A000418:SSL routines::tlsv1 alert unknown ca:SSL alert number 48) while SSL handshaking, client: 10.0.0.7, server: 0.0.0.0:2379',
  },
  {
    id: 'nginx/no-client-certificate',
    program: 'nginx',
    pattern:
      'client SSL certificate verify error|client sent no required SSL certificate|No required SSL certificate was sent|The SSL certificate error',
    direction: 'server-refuses-client',
    meaning:
      'nginx in front of etcd wrote or sent this: the client sent no certificate, or one that nginx does not accept.',
    codes: [
      'endpoint/not-etcd',
      'handshake/client-certificate-missing',
      'handshake/client-ca-unknown',
      'validity/expired',
    ],
    decide: DECIDE.handshake,
    example:
      'client SSL certificate verify error: (20:unable to get local issuer certificate) while reading client request headers',
  },
  {
    id: 'nginx/upstream-name',
    program: 'nginx',
    pattern: 'upstream SSL certificate does not match "',
    direction: 'client-refuses-server',
    meaning:
      'nginx verifies etcd by the name in proxy_ssl_name or grpc_ssl_name (by default the name of the upstream), which is not in the certificate of etcd. Set it to a name that the certificate covers.',
    codes: ['san/host-not-covered', 'handshake/server-name'],
    decide: DECIDE.showServer,
    example: 'upstream SSL certificate does not match "etcd_backend" while SSL handshaking to upstream',
    source: 'https://github.com/nginx/nginx/blob/master/src/http/ngx_http_upstream.c',
  },
  {
    id: 'haproxy/check-failed',
    program: 'haproxy',
    pattern: 'reason: Layer6 (?:invalid response|timeout)',
    direction: 'unclear',
    meaning:
      'haproxy checked etcd over TLS, and the handshake failed or took too long. Most often etcd requires a client certificate (crt on the server line), or haproxy does not trust etcd (ca-file).',
    codes: [
      'handshake/client-certificate-missing',
      'handshake/client-ca-unknown',
      ...UNTRUSTED_SERVER,
      'san/host-not-covered',
      'validity/expired',
      'endpoint/silent',
    ],
    decide: DECIDE.handshake,
    example:
      'Server etcd/e1 is DOWN, reason: Layer6 invalid response, info: "SSL handshake failure", check duration: 2ms',
    source: 'https://github.com/haproxy/haproxy/blob/master/src/check.c',
  },
  {
    id: 'haproxy/client-refused',
    program: 'haproxy',
    pattern: 'SSL client (?:certificate not trusted|CA chain cannot be verified)',
    direction: 'server-refuses-client',
    meaning:
      'haproxy in front of etcd wrote this: the certificate of the client, or a CA above it, does not verify with the ca-file of its bind line.',
    codes: [...UNTRUSTED_CLIENT, 'validity/expired', 'handshake/client-certificate-refused'],
    decide: DECIDE.verifyClient,
    example: '10.0.0.7:53422 [01/Jan/2026:10:00:00.123] fe_etcd/1: SSL client certificate not trusted',
    source: 'https://github.com/haproxy/haproxy/blob/master/src/connection.c',
  },
  {
    id: 'haproxy/handshake',
    program: 'haproxy',
    pattern: '/\\w+: (?:SSL handshake failure|Timeout during SSL handshake|Connection closed during SSL handshake)',
    direction: 'unclear',
    meaning:
      "haproxy in front of etcd wrote this about a client: it sent no certificate, refused haproxy's certificate, offered no common version, or did not finish the handshake.",
    codes: [
      'handshake/client-certificate-missing',
      ...UNTRUSTED_SERVER,
      'san/host-not-covered',
      'handshake/no-common-parameters',
      'endpoint/closed',
    ],
    decide: DECIDE.verifyServer,
    example: '10.0.0.7:53422 [01/Jan/2026:10:00:00.123] fe_etcd/1: SSL handshake failure',
    source: 'https://github.com/haproxy/haproxy/blob/master/src/connection.c',
  },
]
