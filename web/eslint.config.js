import js from '@eslint/js'
import a11y from 'eslint-plugin-jsx-a11y'
import hooks from 'eslint-plugin-react-hooks'
import { defineConfig, globalIgnores } from 'eslint/config'
import ts from 'typescript-eslint'

export default defineConfig(globalIgnores(['dist', 'node_modules', 'src/api/schema.ts', 'test-results', 'playwright-report']), {
  files: ['**/*.{ts,tsx}'],
  extends: [
    js.configs.recommended,
    ts.configs.strictTypeChecked,
    hooks.configs.flat['recommended-latest'],
    a11y.flatConfigs.strict,
  ],
  languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
  rules: {
    '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
    '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
    '@typescript-eslint/only-throw-error': [
      'error',
      { allow: [{ from: 'package', package: '@tanstack/router-core', name: ['Redirect', 'NotFoundError'] }] },
    ],
    // Things are reached by keyboard as they come; the palette's field is where one wants to be.
    'jsx-a11y/no-autofocus': 'off',
  },
})
