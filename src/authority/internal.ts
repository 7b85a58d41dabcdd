/** What later rooms may use, next to the public names of `index.ts`. */
export { checkNames } from './cluster/cluster-credentials.js'
export { migrationOf } from './cluster/layouts.js'
export { isRole, ROLE_NAMES } from './issue-options.js'
export { readValidity } from './lifetime.js'
export { readHosts } from './options.js'
