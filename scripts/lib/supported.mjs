/**
 * What a release supports. The matrix runs it; the table of docs/stability.md, `engines` and the workflow of pull requests are compared
 * with it by test/stability.test.ts.
 */

/** The lines of Node: the oldest version of each, the version that the matrix installs, and the end of its support (nodejs/Release). */
export const NODES = [
  { oldest: '20.19', tested: '20.19', ends: '2026-04-30' },
  { oldest: '22.12', tested: '22', ends: '2027-04-30' },
  { oldest: '24.0', tested: '24', ends: '2028-04-30' },
  { oldest: '26.0', tested: '26', ends: '2029-04-30' },
]

/** The versions of TypeScript that check a program against the declarations. */
export const TYPESCRIPTS = ['5.7', '5.8', '5.9', '6.0', '7.0']
