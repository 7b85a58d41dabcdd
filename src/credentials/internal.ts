/** What later rooms may use, next to the public names of `index.ts`. */
export type { MaterialReading } from './assemble.js'
export { checkCredentials, checkFileName, checkSignal, hasMethod } from './checks.js'
export { finding } from './finding.js'
export { environmentSource } from './from-env.js'
export { sourceOfPaths } from './from-files.js'
export { type BlockKind, kindOfLabel } from './labels.js'
export { fileInput, fileOfOption, readMaterialFile } from './load-inputs.js'
export {
  type Exposure,
  type OpenedInput,
  openInput,
  otherBlocks,
  readCertificates,
  readCrls,
  readKey,
  withMissingBlock,
} from './parse-input.js'
export { recognize } from './recognize.js'
export { readSource } from './source.js'
