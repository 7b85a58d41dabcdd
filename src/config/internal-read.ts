/** What later rooms may use of the readers: `inspect` loads nothing else of this room. */
export { MAX_CONFIG_BYTES, onDisk, pathOfCaller, readConfigFile } from './read/text.js'
export { at, entriesOf, isTrue, itemsAt, readYaml, textAt, type YamlValue } from './read/yaml.js'
