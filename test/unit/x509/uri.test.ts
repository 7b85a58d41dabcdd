/** Which URIs Go reads (net/url Parse): where it reads one not, it refuses the whole certificate. */
import { describe, expect, it } from 'vitest'
import { uriProblem } from '../../../src/x509/uri.js'

const ESCAPE = 'has a % that begins no escape'
const COLON = 'has a colon in front of its path, and no scheme'
const HOST = 'has a character in its host that does not belong there'
const EMPTY = 'has an empty label in its host'
const CONTROL = 'holds a control character'

describe('Go reads no URI', () => {
  it.each([
    ['a\nb', CONTROL],
    ['\u0000', CONTROL],
    ['http://a/\u007f', CONTROL],
    [':', COLON],
    ['://a', COLON],
    ['1a:b', COLON],
    ['+a:b', COLON],
    ['a_b:c', COLON],
    ['a b:c', COLON],
    ['http://a/%', ESCAPE],
    ['http://a/%4', ESCAPE],
    ['http://a/%zz', ESCAPE],
    ['http://a/%4g', ESCAPE],
    ['http://a/%20%', ESCAPE],
    ['/%', ESCAPE],
    ['a%', ESCAPE],
    ['a:/%', ESCAPE],
    ['http://a#%', ESCAPE],
    ['urn:a#%zz', ESCAPE],
    ['http://a#b#%', ESCAPE],
    ['http://us er@a', 'has a malformed user'],
    ['http://u[ser@a', 'has a malformed user'],
    ['http://user]@a', 'has a malformed user'],
    ['http://user%@a', 'has a malformed user'],
    ['http://"@a', 'has a malformed user'],
    ['http://[::1', 'has a [ without its ]'],
    ['http://[', 'has a [ without its ]'],
    ['http://user@[::1', 'has a [ without its ]'],
    ['http://a:b', 'has a malformed port'],
    ['http://a:8o', 'has a malformed port'],
    ['http://a:1:b', 'has a malformed port'],
    ['http://[::1]a', 'has a malformed port'],
    ['http://a[::1]', 'has a malformed port'],
    ['http://[::1]1', 'has a malformed port'],
    ['http://[::1]:a', 'has a malformed port'],
    ['http://[::1]x:1', 'has a malformed port'],
    ['http://a%20b', 'has an escape in its host'],
    ['http://a%41', 'has an escape in its host'],
    ['http://a b', HOST],
    ['http://a|b', HOST],
    ['http://^a', HOST],
    ['http://a`', HOST],
    ['http://ü', HOST],
    ['http://a..b', EMPTY],
    ['http://a.b.', EMPTY],
    ['http://.a', EMPTY],
    ['http://user@.a', EMPTY],
  ])('%j %s', (text, reason) => {
    expect(uriProblem(text)).toBe(reason)
  })
})

describe('Go reads', () => {
  it.each([
    '',
    'a',
    'a/b:c',
    '/a:b',
    'a?b:c',
    '?a:b',
    '//a',
    '///a',
    'urn:a',
    'a:b',
    'A+-.9:b',
    'urn:uuid:%zz',
    'urn:%',
    'mailto:%?x',
    'spiffe://cluster/ns/etcd',
    'spiffe://cluster',
    'http://a?%zz',
    'http://a/?%zz',
    'http://a/%20%4a%4F',
    'http://a#%20',
    'http://a#b\n',
    'http://a:/',
    'http://a:80/x',
    'http://a:1:2',
    'http://a.b.:80',
    'http://user:pass%20word@a',
    "http://a-_~!$&'()*+,;=:@b",
    'http://u@v@a',
    'http://@a',
    'http:///a',
    'http:/a//b|c',
    'http://user@/a',
    'http://[::1]',
    'http://[::1]:',
    'http://[::1]:80/',
    'http://[fe80::1%25eth0]/',
    'http://a%25b',
    'http://a-_~!$&\'()*+,;=<>"b',
    'ldap:///cn=x',
  ])('%j', (text) => {
    expect(uriProblem(text)).toBeNull()
  })
})
