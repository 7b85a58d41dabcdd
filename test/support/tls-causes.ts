/** Every cause that docs/why-tls-fails.md tells apart. */
import type { CauseGroup } from './tls-cause.js'
import { CLIENT_CAUSES } from './tls-causes-client.js'
import { MACHINE_CAUSES } from './tls-causes-machine.js'
import { CLUSTER_CAUSES, PROXY_CAUSES } from './tls-causes-proxies.js'
import { ENVIRONMENT_CAUSES, NETWORK_CAUSES, PARAMETER_CAUSES } from './tls-causes-network.js'
import { SERVER_CAUSES } from './tls-causes-server.js'

export const CAUSES: readonly CauseGroup[] = [
  CLIENT_CAUSES,
  SERVER_CAUSES,
  PARAMETER_CAUSES,
  NETWORK_CAUSES,
  MACHINE_CAUSES,
  PROXY_CAUSES,
  CLUSTER_CAUSES,
  ENVIRONMENT_CAUSES,
]
