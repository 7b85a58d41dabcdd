/** Findings about material: files, PEM, keys and what they hold before any chain is judged. */
import { row } from '../row.js'

export const material = {
  'file/missing': row<{ file: string }>({
    severity: 'error',
    meaning: 'A file that was named does not exist.',
    source: 'open(2): ENOENT',
    message: ({ file }) => `The file ${file} does not exist.`,
    remedy: ({ file }) => `Check the path, or write the file; a relative path starts from the working directory of the process. (${file})`,
  }),
}
