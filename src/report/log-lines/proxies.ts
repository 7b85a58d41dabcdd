/** Lines of proxies in front of etcd, which are servers for its clients and clients of etcd. */
import type { FindingCode } from '../finding.js'
import { DECIDE, type LineRow, NGINX_REFUSES, UNTRUSTED_CLIENT, UNTRUSTED_SERVER } from './line.js'

const NGINX_CLIENT = 'https://github.com/nginx/nginx/blob/master/src/http/ngx_http_request.c'
const NGINX_UPSTREAM = 'https://github.com/nginx/nginx/blob/master/src/http/ngx_http_upstream.c'
const HAPROXY_ERROR = 'https://github.com/haproxy/haproxy/blob/master/src/log.c'

/** The reasons of OpenSSL for which nginx refuses the certificate of a client. */
const REFUSED_CLIENTS: readonly (readonly [string, string, readonly FindingCode[], string, string])[] = [
  [
    'expired',
    'certificate (?:has expired|is not yet valid)',
    ['validity/expired', 'validity/not-yet-valid', 'validity/clock-suspect'],
    'The certificate of the client, or of a CA above it, is outside its validity by the clock of nginx.',
    '10:certificate has expired',
  ],
  [
    'issuer',
    'unable to (?:get (?:local )?issuer certificate|verify the first)|self[- ]signed certificate|certificate signature failure',
    [...UNTRUSTED_CLIENT, 'chain/issuer-key-differs'],
    "No CA in ssl_client_certificate issued the client's certificate, or the client does not send its intermediate. nginx reads that file at a reload.",
    '20:unable to get local issuer certificate',
  ],
  [
    'purpose',
    '(?:unsuitable|unsupported) certificate purpose',
    ['usage/extended-key-usage-missing', 'usage/any-extended-key-usage', 'usage/key-usage-missing'],
    "The extended key usage of the client's certificate lacks clientAuth.",
    '26:unsuitable certificate purpose',
  ],
  [
    'revoked',
    'certificate revoked',
    ['revocation/revoked'],
    "The CRL in ssl_crl lists the client's certificate.",
    '23:certificate revoked',
  ],
  [
    'crl',
    '(?:unable to get certificate |different )?CRL',
    ['revocation/crl-not-current', 'revocation/no-crl', 'revocation/crl-signer-differs', 'revocation/crl-scope'],
    'nginx refuses each client, because ssl_crl has no valid CRL for each CA of the chain.',
    '12:CRL has expired',
  ],
  [
    'depth',
    'certificate chain too long|path length constraint exceeded',
    ['constraints/path-too-long'],
    'The chain of the client has more CAs than ssl_verify_depth (1 by default) or than one of its CAs allows.',
    '22:certificate chain too long',
  ],
]

/** nginx between its clients and etcd. */
const NGINX_LINES: readonly LineRow[] = [
  ...REFUSED_CLIENTS.map(([id, words, codes, meaning, example]): LineRow => ({
    id: `nginx/client-${id}`,
    program: 'nginx',
    pattern: `${NGINX_REFUSES}: \\(\\d+:(?:${words})`,
    direction: 'server-refuses-client',
    meaning,
    codes,
    decide: DECIDE.verifyClient,
    example: `client SSL certificate verify error: (${example}) while reading client request headers, client: 10.0.0.7, server: etcd`,
    source: NGINX_CLIENT,
  })),
  {
    id: 'nginx/no-live-upstreams',
    program: 'nginx',
    pattern: 'no live upstreams while connecting to upstream',
    direction: 'unclear',
    meaning:
      'nginx sends nothing for a while, because each etcd of the upstream block failed before. The earlier lines with "upstream" have the reasons.',
    codes: [
      'endpoint/unreachable',
      'handshake/client-certificate-missing',
      ...UNTRUSTED_SERVER,
      'san/host-not-covered',
      'endpoint/wrong-protocol',
    ],
    decide: 'grep "upstream" /var/log/nginx/error.log | grep -v "no live upstreams" | tail',
    example: 'no live upstreams while connecting to upstream, client: 10.0.0.1, server: , upstream: "grpcs://etcd"',
    source: NGINX_UPSTREAM,
  },
  {
    id: 'nginx/upstream-protocol',
    program: 'nginx',
    pattern: 'upstream sent (?:too large http2 frame|no valid HTTP/1\\.0 header|invalid http2)',
    direction: 'no-refusal',
    meaning:
      'etcd answered nginx in another protocol than grpc_pass or proxy_pass has. A "frame" of 4740180 is HTTP/1.1, and 1377025 is a TLS alert: use grpcs:// for a port with TLS.',
    codes: ['endpoint/wrong-protocol', 'config/plaintext-url', 'endpoint/not-etcd'],
    decide: DECIDE.handshake,
    example:
      'upstream sent too large http2 frame: 4740180 while reading response header from upstream, client: 10.0.0.1, server: , upstream: "grpc://10.0.0.2:2379"',
    source: 'https://github.com/nginx/nginx/blob/master/src/http/modules/ngx_http_grpc_module.c',
  },
  {
    id: 'nginx/upstream-timeout',
    program: 'nginx',
    pattern: 'upstream timed out \\([^)]{1,80}\\) while (?:SSL handshaking|reading|sending)',
    direction: 'no-refusal',
    meaning: 'etcd accepted the connection of nginx and did not answer in time: it has no leader or is overloaded.',
    codes: ['endpoint/silent', 'endpoint/no-leader'],
    decide: DECIDE.handshake,
    example:
      'upstream timed out (110: Connection timed out) while SSL handshaking to upstream, client: 10.0.0.1, server: , upstream: "grpcs://10.0.0.2:2379"',
    source: NGINX_UPSTREAM,
  },
  {
    id: 'nginx/upstream-closed',
    program: 'nginx',
    pattern:
      '(?:upstream prematurely closed connection|peer closed connection in SSL handshake|recv\\(\\) failed \\([^)]{1,80}\\))[^,]{1,80}upstream',
    direction: 'unclear',
    meaning:
      "etcd closed the connection of nginx without a reason: it is stopping, or its CRL lists nginx's certificate, or nginx uses plaintext for a port with TLS.",
    codes: ['endpoint/closed', 'handshake/closed-without-alert', 'endpoint/wrong-protocol', 'revocation/revoked'],
    decide: DECIDE.handshake,
    example:
      'upstream prematurely closed connection while reading response header from upstream, client: 10.0.0.1, server: , upstream: "grpc://10.0.0.2:2379"',
    source: NGINX_UPSTREAM,
  },
]

/** Before the words of OpenSSL, which are in the same lines. */
export const PROXY_LINES: readonly LineRow[] = [
  ...NGINX_LINES,
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
    id: 'nginx/client-handshake',
    program: 'nginx',
    pattern: 'while SSL handshaking, client:',
    direction: 'unclear',
    meaning:
      'nginx wrote this as the server in front of etcd: a client sent plaintext ("http request"), has no version or cipher suite in common with nginx, or closed the connection.',
    codes: [
      'endpoint/wrong-protocol',
      'config/plaintext-url',
      'handshake/no-common-parameters',
      'endpoint/closed',
      ...UNTRUSTED_SERVER,
    ],
    decide: DECIDE.verifyServer,
    example:
      'SSL_do_handshake() failed (SSL: error:0A00009C:SSL routines::http request) while SSL handshaking, client: 10.0.0.5, server: 0.0.0.0:2379',
    source: NGINX_CLIENT,
  },
  {
    id: 'nginx/no-client-certificate',
    program: 'nginx',
    pattern: `${NGINX_REFUSES}|client sent no required SSL certificate|No required SSL certificate was sent|The SSL certificate error`,
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
      'client sent no required SSL certificate while reading client request headers, client: 10.0.0.7, server: etcd',
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
    id: 'haproxy/client-sent-alert',
    program: 'haproxy',
    versions: 'haproxy 2.5 and later',
    pattern: '/\\w+: SSL handshake failure \\(error:[^)]{1,80}alert ',
    direction: 'server-refused-by-client',
    meaning: "The client that dialled haproxy refuses haproxy's certificate.",
    codes: [...UNTRUSTED_SERVER, 'san/host-not-covered', 'validity/expired'],
    decide: DECIDE.verifyServer,
    example:
      '10.0.0.7:51234 [01/Jan/2026:10:00:00.123] fe_etcd/1: SSL handshake failure (error:0A000418:SSL routines::tlsv1 alert unknown ca)',
    source: HAPROXY_ERROR,
  },
  {
    id: 'haproxy/no-client-certificate',
    program: 'haproxy',
    versions: 'haproxy 2.5 and later',
    pattern: '/\\w+: SSL handshake failure \\(error:[^)]{1,80}peer did not return a certificate',
    direction: 'server-refuses-client',
    meaning: 'The client that dialled haproxy sent no certificate, which its bind line requires (verify required).',
    codes: ['handshake/client-certificate-missing', 'key/unsupported', 'chain/client-ca-not-given'],
    decide: DECIDE.handshake,
    example:
      '10.0.0.7:51234 [01/Jan/2026:10:00:00.123] fe_etcd/1: SSL handshake failure (error:0A0000C7:SSL routines::peer did not return a certificate)',
    source: HAPROXY_ERROR,
  },
  {
    id: 'haproxy/client-refused',
    program: 'haproxy',
    pattern:
      'SSL client (?:certificate not trusted|CA chain cannot be verified)|/\\w+: SSL handshake failure \\(error:[^)]{1,80}certificate verify failed',
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
