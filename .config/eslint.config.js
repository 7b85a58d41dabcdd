/** Lint rules of the house, with type information. Run from the root: `npm run lint`. */
import { fileURLToPath } from 'node:url'
import tseslint from 'typescript-eslint'
import { testTitle } from '../scripts/lib/eslint/test-titles.mjs'

const root = fileURLToPath(new URL('..', import.meta.url))

/** Syntax that src does not use. */
const SYNTAX = [
  { selector: 'ExportDefaultDeclaration', message: 'Exports have names.' },
  { selector: 'TSNonNullExpression', message: 'Narrow the type instead.' },
  {
    selector: 'MemberExpression[property.name="getPeerCertificate"]',
    message: 'Use getPeerX509Certificate: Node 24 before 24.22 dies while it makes this object of some EC keys.',
  },
]

export default tseslint.config(
  { ignores: ['node_modules/', 'dist/', 'coverage/', '.*/', '!.config/'] },
  { linterOptions: { noInlineConfig: true, reportUnusedDisableDirectives: 'error' } },
  ...tseslint.configs.strictTypeChecked,
  ...tseslint.configs.stylisticTypeChecked,
  {
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: root } },
    rules: {
      eqeqeq: 'error',
      'no-var': 'error',
      'prefer-const': 'error',
      'no-param-reassign': 'error',
      'no-unreachable-loop': 'error',
      'object-shorthand': 'error',
      '@typescript-eslint/consistent-type-exports': 'error',
      '@typescript-eslint/consistent-type-imports': ['error', { fixStyle: 'inline-type-imports' }],
      '@typescript-eslint/no-import-type-side-effects': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      '@typescript-eslint/strict-boolean-expressions': [
        'error',
        { allowNullableBoolean: false, allowNullableString: false, allowNumber: false },
      ],
      // `ts-expect-error` is how a type test says that a call must not compile; it needs its reason.
      '@typescript-eslint/ban-ts-comment': [
        'error',
        {
          'ts-ignore': true,
          'ts-nocheck': true,
          'ts-expect-error': 'allow-with-description',
          minimumDescriptionLength: 8,
        },
      ],
      // A number off the wire becomes an enum of gRPC's by assertion; there is no other way.
      '@typescript-eslint/no-unsafe-enum-assignment': 'off',
      // An unused parameter that a signature asks for is named with an underscore.
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
    },
  },
  {
    files: ['src/**/*.ts'],
    rules: {
      'no-console': 'error',
      'no-restricted-syntax': ['error', ...SYNTAX],
      'max-lines': ['error', { max: 500 }],
    },
  },
  {
    files: ['src/**/*.ts'],
    ignores: ['src/report/errors.ts'],
    rules: {
      'no-restricted-syntax': [
        'error',
        ...SYNTAX,
        {
          selector: 'BinaryExpression[operator="instanceof"][right.name="Error"]',
          message: 'Use isError: in Jest, errors of Node are of another realm.',
        },
      ],
    },
  },
  {
    files: ['test/**/*.ts'],
    rules: {
      // Type tests look at types; a value that is only there for its type stays unused.
      '@typescript-eslint/no-unused-expressions': 'off',
      'no-restricted-imports': [
        'error',
        { paths: [{ name: 'vitest', importNames: ['test'], message: 'Use it: one word in all tests.' }] },
      ],
    },
  },
  {
    files: ['test/**/*.test.ts'],
    plugins: { house: { rules: { 'test-title': testTitle } } },
    rules: { 'house/test-title': 'error' },
  },
  {
    files: ['**/*.{js,mjs}'],
    ...tseslint.configs.disableTypeChecked,
  },
)
