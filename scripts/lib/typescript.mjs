import { createRequire } from 'node:module'

/** TypeScript 6, for its API. By `import`, Node would first scan its nine megabytes for what they export. */
export const ts = createRequire(import.meta.url)('typescript')
