import { describe, expect, it } from 'vitest'
import { parseEndpoints } from '../../../src/client/base/endpoints.js'
import { isEtcdMtlsError } from '../../../src/report/errors.js'

function urls(input: unknown): string[] {
  return parseEndpoints(input).map((each) => each.url)
}

function refusal(input: unknown): string {
  try {
    parseEndpoints(input)
  } catch (error) {
    if (isEtcdMtlsError(error, 'ERR_OPTION_INVALID')) return error.message
    throw error
  }
  throw new Error(`accepted: ${JSON.stringify(input)}`)
}

describe('endpoints that are read', () => {
  it.each<[string, unknown, string[]]>([
    ['a comma list with spaces', 'https://a:1, https://b:2', ['https://a:1', 'https://b:2']],
    ['a comma list inside an array', ['https://a:1,https://b:2'], ['https://a:1', 'https://b:2']],
    ['upper case', 'HTTPS://ETCD-0.Example.COM:2379', ['https://etcd-0.example.com:2379']],
    ['IPv6 in brackets', 'https://[::1]:2379', ['https://[::1]:2379']],
    ['IPv6 in a long spelling, without port', 'https://[0:0:0:0:0:0:0:1]', ['https://[::1]:2379']],
    [
      'duplicates in several spellings',
      ['https://A:2379/', 'https://a', 'https://b'],
      ['https://a:2379', 'https://b:2379'],
    ],
    ['a trailing dot', 'https://etcd.example.com.:2379', ['https://etcd.example.com:2379']],
  ])('reads %s as etcdctl does', (_what, input, expected) => {
    expect(urls(input)).toEqual(expected)
  })

  it('keeps the trailing dot for the look-up only', () => {
    const [endpoint] = parseEndpoints('https://etcd.example.com.')
    expect(endpoint).toMatchObject({ address: 'etcd.example.com.', host: { kind: 'dns', value: 'etcd.example.com' } })
  })

  it('looks an IPv6 address up without brackets and writes the authority with them', () => {
    const [endpoint] = parseEndpoints('https://[2001:DB8::1]:443')
    expect(endpoint).toMatchObject({ address: '2001:db8::1', authority: '[2001:db8::1]:443', port: 443 })
  })
})

describe("unix sockets, as etcd's clients write them", () => {
  it.each([
    ['unixs:///run/etcd/etcd-0.sock', '/run/etcd/etcd-0.sock', 'etcd-0.sock'],
    ['unixs://localhost:2379', 'localhost:2379', 'localhost'],
    ['UNIXS:///run/127.0.0.1:2379', '/run/127.0.0.1:2379', '127.0.0.1'],
  ])('reads the unix socket %s as etcdctl does', (text, socketPath, name) => {
    const [endpoint] = parseEndpoints(text)
    expect(endpoint).toMatchObject({ socketPath, host: { value: name }, url: `unixs://${socketPath}` })
  })

  it.each([
    ['unixs://', /name of a socket/],
    ['unixs:///run/etcd/', /name of a socket/],
    ['unixs:///run/\u202e/etcd.sock', /control characters/],
    ['unixs:///run/*.sock', /name that a certificate can carry/],
    ['unix:///run/etcd.sock', /"unix" is not supported/],
  ])('%s is refused', (text, reason) => {
    expect(refusal(text)).toMatch(reason)
  })
})

describe('a server name of its own', () => {
  it('accepts a server name for each URL', () => {
    const [first, second] = parseEndpoints([{ url: 'https://10.0.0.1', serverName: 'ETCD-0.example' }, 'https://b'])
    expect(first).toMatchObject({ url: 'https://10.0.0.1:2379', serverName: { value: 'etcd-0.example' } })
    expect(second).toMatchObject({ url: 'https://b:2379', serverName: null })
  })

  it.each<[unknown, RegExp]>([
    [[{ url: 'https://a', serverName: '*.example' }], /"endpoints\[0\].serverName" must be one DNS name/],
    [[{ url: 'https://a', serverName: 1 }], /"endpoints\[0\].serverName"/],
    [[{ url: 1 }], /"endpoints\[0\].url"/],
    [[{ url: 'https://a', name: 'b' }], /"endpoints\[0\].name"/],
    [['https://a', { url: 'https://a', serverName: 'b' }], /twice with two server names/],
  ])('%j is refused', (input, reason) => {
    expect(refusal(input)).toMatch(reason)
  })
})

describe('endpoints that are refused, by name and with the reason', () => {
  it.each<[string, unknown, RegExp]>([
    ['nothing', undefined, /is missing: pass URLs as one string, or an array/],
    ['an empty array', [], /at least one endpoint/],
    ['an empty entry', 'https://a,,https://b', /extra comma/],
    ['http', 'http://a:2379', /must start with https:.*without TLS; received "http:\/\/a:2379"/],
    ['no scheme', '127.0.0.1:2379', /must start with https:\/\/ or unixs:\/\/;/],
    ['another scheme', 'ftp://etcd', /"ftp" is not supported/],
    ['a path', 'https://a:2379/v3', /no path, query or fragment/],
    ['a query', 'https://a:2379?x=1', /no path, query or fragment/],
    ['a backslash', 'https://a:2379\\x', /no path/],
    ['an IPv6 address without brackets', 'https://::1:2379', /in brackets/],
    ['brackets around a name', 'https://[a]:2379', /brackets only around an IPv6 address/],
    ['a zone', 'https://[fe80::1%eth0]:2379', /zone/],
    ['port 0', 'https://a:0', /port from 1 to 65535/],
    ['port 65536', 'https://a:65536', /port from 1 to 65535/],
    ['an empty port', 'https://a:', /port from 1 to 65535/],
    ['a port that is not a number', 'https://a:http', /port from 1 to 65535/],
    ['no host', 'https://:2379', /usable host/],
    ['a string that looks like an address and is not one', 'https://10.0.0.300:2379', /usable host/],
    ['a wildcard', 'https://*.etcd:2379', /one host/],
    ['a list with spaces', 'https://a:2379 https://b:2379', /must be separated by commas, not by spaces/],
    ['a list with line breaks', 'https://a:2379\nhttps://b:2379\n', /must be separated by commas, not by line breaks/],
    ['a list with semicolons', 'a:2379;b:2379', /must be separated by commas, not by semicolons/],
    ['a list in an entry of an array', ['https://a', 'https://b; https://c'], /not by semicolons/],
    [
      'the address for all of IPv4',
      'https://0.0.0.0:2379',
      /0\.0\.0\.0 stands for all addresses.*--listen-client-urls/,
    ],
    ['the address for all of IPv6', 'https://[::]:2379', /:: stands for all addresses/],
    ['the address for all of IPv6 in a long form', 'https://[0:0::0]', /:: stands for all addresses/],
  ])('refuses %s with the reason', (_what, input, reason) => {
    expect(refusal(input)).toMatch(reason)
  })

  it.each<[string, string, RegExp, string | null]>([
    ['a template', 'https://{{ host }}:2379', /"{{ host }}", a template that was not rendered/, null],
    ['a template of a list', '{{ hosts | join(",") }}', /a template that was not rendered/, null],
    ['a variable of Kubernetes', 'https://$(ETCD_HOST):2379', /"\$\(ETCD_HOST\)", which Kubernetes leaves/, null],
    ['a variable of a shell', 'https://${ETCD_HOST}:2379', /which only a shell or Docker Compose replaces/, null],
    ['a placeholder', 'https://<node-ip>:2379', /"<node-ip>", a placeholder of an example/, null],
    ['a host that is not set', 'https://undefined:2379', /"undefined", which stands for a variable/, null],
    ['a port that is not set', 'https://a:null', /"null", which stands for a variable/, null],
    ['quotation marks', '"https://a:2379"', /must not have quotation marks/, 'https://a:2379'],
    ['quotation marks in a list', `'https://a:1','b:2'`, /must not have quotation marks/, 'https://a:1,https://b:2'],
    ['an array in a string', '["https://a:1", "https://[::1]:2"]', /is an array/, 'https://a:1,https://[::1]:2'],
    ['an array with a scheme before it', 'https://["a:1"]', /is an array in a string/, 'https://a:1'],
    ['no colon', 'https//a:2379', /must have a colon after https/, 'https://a:2379'],
    ['one slash', 'https:/a:2379', /must have two slashes after https:/, 'https://a:2379'],
    ['two schemes', 'https://http://a:2379', /must have https:\/\/ once/, 'https://a:2379'],
    ['two schemes without a colon', 'https://https//a:2379', /must have https:\/\/ once/, 'https://a:2379'],
    ['the name of a member', 'etcd0=https://a:2379', /must not have a name before the URL/, 'https://a:2379'],
    ['no scheme', 'a:2379', /must start with https:/, 'https://a:2379'],
    ['http', 'http://a:2379', /must start with https:/, 'https://a:2379'],
    ['a hyphen of a document', 'https://etcd\u20110:2379', /not the one of ASCII/, 'https://etcd-0:2379'],
    ['spaces', 'a:1  https://b:2', /by commas/, 'https://a:1,https://b:2'],
    ['a path', 'https://a:2379/v3', /no path/, 'https://a:2379'],
    ['user info', 'https://root:secret@a:2379', /must not have user info/, 'https://a:2379'],
    ['two ports', 'https://10.0.0.1:2379:2380', /must have one port/, null],
    ['a path after the address for all', 'https://0.0.0.0:2379/v3', /no path/, null],
  ])('refuses %s with a value that is accepted, if there is one', (_what, input, reason, accepted) => {
    expect(refusal(input)).toMatch(reason)
    const [, suggested = null] = /Pass "([^"]+)"/.exec(refusal(input)) ?? []
    expect(suggested).toBe(accepted)
    if (suggested !== null) expect(urls(suggested)).toEqual(suggested.split(','))
    expect(() => parseEndpoints([{ url: input }])).toThrow(reason)
  })

  it('names the entry of an array that is not set', () => {
    expect(refusal(['https://a', undefined])).toMatch(/"endpoints\[1\]" is undefined: set the variable/)
  })

  it('shows no password in a refusal', () => {
    for (const endpoint of ['https://root:secret@a:2379', 'root:secret@a:2379', 'http://root:secret@a']) {
      expect(refusal(endpoint)).not.toContain('secret')
    }
  })

  it('escapes control characters in a refusal', () => {
    expect(refusal('https://a\u001b[2J:2379')).not.toContain('\u001b')
  })
})
