/** Findings about material: files, PEM, keys and what they hold before any chain is judged. The rows live by subject. */
import { credentials } from './credentials.js'
import { file } from './file.js'
import { input } from './input.js'
import { key } from './key.js'
import { pem } from './pem.js'

export const material = { ...file, ...input, ...pem, ...key, ...credentials }
