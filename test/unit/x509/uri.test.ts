/** Which URIs Go reads (net/url Parse). If it does not read one, it refuses the whole certificate. */
import { expect, it } from 'vitest'
import { uriProblem } from '../../../src/x509/uri.js'

it.each([
  ['holds a control character', ['a\nb', '\u0000', 'http://a/\u007f']],
  ['has a colon in front of its path, and no scheme', [':', '://a', '1a:b', '+a:b', 'a_b:c', 'a b:c']],
  [
    'has a % that begins no escape',
    ['http://a/%', 'http://a/%4', 'http://a/%4g', 'http://a/%20%', '/%', 'a:/%', 'http://a#%', 'urn:a#%zz', 'x:/#b#%'],
  ],
  [
    'has a malformed user',
    ['http://us er@a', 'http://u[ser@a', 'http://user]@a', 'http://user%@a', 'http://"@a', 'http://u%4g@a'],
  ],
  ['has a [ without its ]', ['http://[::1', 'http://[', 'http://user@[::1']],
  [
    'has a malformed port',
    ['http://a:b', 'http://a:8o', 'http://a:1:b', 'http://[::1]a', 'http://a[::1]', 'http://[::1]1', 'http://[::1]x:1'],
  ],
  ['has an escape in its host', ['http://a%20b', 'http://a%41']],
  [
    'has a character in its host that does not belong there',
    ['http://a b', 'http://a|b', 'http://^a', 'http://a`', 'http://ü'],
  ],
  [
    'has an empty label in its host',
    ['http://a..b', 'http://a.b.', 'http://.a', 'http://user@.a', '//a..b/c', 'a://b..c//d'],
  ],
])('does not read a URI that %s', (reason, texts) => {
  expect(texts.map(uriProblem)).toEqual(texts.map(() => reason))
})

it.each([
  ['without a scheme', ['', 'a', 'a/b:c', '/a:b', 'a?b:c', '?a:b', '//a', '///a']],
  ['that is opaque', ['urn:a', 'A+-.9:b', 'urn:uuid:%zz', 'urn:%', 'mailto:%?x']],
  ['with a query or fragment', ['http://a?%zz', 'http://a/?%zz', 'http://a#%20', 'http://a#b\n']],
  ['with a path', ['spiffe://cluster/ns/etcd', 'http://a/%20%4a%4F', 'http:/a//b|c', 'http:///a', 'ldap:///cn=x']],
  [
    'with a port',
    ['http://a:/', 'http://a:80/x', 'http://a:1:2', 'http://a.b.:80', 'http://[::1]:', 'http://[::1]:80/'],
  ],
  [
    'with a user',
    ['http://user:pass%20word@a', "http://a-_~!$&'()*+,;=:@b", 'http://u@v@a', 'http://@a', 'http://u@/'],
  ],
  ['with a host', ['http://[::1]', 'http://[fe80::1%25eth0]/', 'http://a%25b', 'http://a-_~!$&\'()*+,;=<>"b']],
])('reads a URI %s', (_, texts) => {
  expect(texts.map(uriProblem)).toEqual(texts.map(() => null))
})
