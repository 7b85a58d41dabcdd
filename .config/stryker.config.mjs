/**
 * `npm run mutation`: changes the validator and the certificate readers in small ways, and runs the unit tests on
 * each change. A change that no test notices survives, and is listed with its place. One room or
 * file at a time: `npm run mutation -- --mutate src/validate/checks/check-names.ts`; and, as each change runs every test that
 * comes near it, with the tests of that file alone: `MUTATION_TESTS=test/unit/validate/names.test.ts npm run mutation -- …`.
 *
 * @type {import('@stryker-mutator/api/core').PartialStrykerOptions}
 */
export default {
  mutate: [
    'src/validate/**/*.ts',
    'src/x509/**/*.ts',
    '!src/**/index.ts',
    '!src/**/types.ts',
    '!src/x509/**/*-writer.ts',
  ],
  testRunner: 'vitest',
  vitest: { configFile: '.config/vitest.mutation.config.ts' },
  plugins: ['@stryker-mutator/vitest-runner'],
  coverageAnalysis: 'perTest',
  ignoreStatic: true,
  // Texts of errors are prose; that each fault has its code is what the tests are about.
  mutator: { excludedMutations: ['StringLiteral'] },
  concurrency: 2,
  timeoutMS: 20_000,
  reporters: ['clear-text', 'json', 'html'],
  jsonReporter: { fileName: '.cache/mutation/report.json' },
  htmlReporter: { fileName: '.cache/mutation/report.html' },
  clearTextReporter: { allowColor: false, logTests: false, reportTests: false },
  tempDirName: '.cache/stryker',
  ignorePatterns: ['dist', '.cache', 'docs'],
  thresholds: { high: 95, low: 90, break: 90 },
  allowConsoleColors: false,
}
