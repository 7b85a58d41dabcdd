/** The door to `yaml`: the only file that names it. */
export {
  Document,
  isAlias,
  isMap,
  isPair,
  isScalar,
  isSeq,
  LineCounter,
  Pair,
  parseAllDocuments,
  parseDocument,
  Scalar,
  stringify,
  visit,
  YAMLMap,
  YAMLSeq,
} from 'yaml'
export type { Alias, CollectionTag, DocumentOptions, Node, ParseOptions, Range, SchemaOptions, ScalarTag } from 'yaml'
