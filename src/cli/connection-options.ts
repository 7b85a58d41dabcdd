/** The flags of etcdctl for a connection, for the help and the parser. */
import type { OptionRow } from './command.js'

/** Flags of etcdctl (etcdctl/ctlv3/ctl.go) and the variables that they replace. */
export const CONNECTION_VARIABLES = {
  endpoints: 'ETCDCTL_ENDPOINTS',
  cacert: 'ETCDCTL_CACERT',
  cert: 'ETCDCTL_CERT',
  key: 'ETCDCTL_KEY',
  user: 'ETCDCTL_USER',
  password: 'ETCDCTL_PASSWORD',
  discoverySrv: 'ETCDCTL_DISCOVERY_SRV',
  discoverySrvName: 'ETCDCTL_DISCOVERY_SRV_NAME',
  dialTimeout: 'ETCDCTL_DIAL_TIMEOUT',
  commandTimeout: 'ETCDCTL_COMMAND_TIMEOUT',
} as const

export const CONNECTION_OPTIONS: readonly OptionRow[] = [
  ['--endpoints <list>', 'addresses with commas between them'],
  ['--cacert <file>', 'the CA certificates that verify servers'],
  ['--cert <file>', 'the client certificate'],
  ['--key <file>', 'its key'],
  ['--user <name[:password]>', 'the user to log in'],
  ['--password <password>', 'the password of the user'],
  ['--discovery-srv <domain>', 'the domain whose SRV records list the endpoints'],
  ['--discovery-srv-name <name>', 'the suffix of the service name of the SRV records'],
  ['--dial-timeout <duration>', 'how long dialling may take'],
  ['--command-timeout <duration>', 'how long a call may take'],
]

/** Flags of etcdctl that switch verification off. */
export const REFUSED_OPTIONS: readonly (readonly [flags: string, reason: string])[] = [
  ['--insecure-skip-tls-verify', 'servers are always verified. Pass the CA of the server in --cacert.'],
  ['--insecure-transport', 'connections are always encrypted. Remove the flag.'],
  ['--insecure-discovery', 'SRV records are read for TLS only. Remove the flag.'],
]

export const CONNECTION_NOTES: readonly string[] = [
  'Connection, as for etcdctl: --endpoints, --cacert, --cert, --key, --user,',
  '--password, --discovery-srv, --discovery-srv-name, --dial-timeout,',
  '--command-timeout, or the variables ETCDCTL_ENDPOINTS and so on.',
]
