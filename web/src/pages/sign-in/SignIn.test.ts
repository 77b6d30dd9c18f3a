import { describe, expect, it } from 'vitest'
import { within } from './SignIn'

describe('within', () => {
  it.each(['/', '/violations?severity=high#x'])('leads to %s', (path) => expect(within(path)).toBe(path))
  it.each([undefined, '', 'https://evil.example/', '//evil.example/x', '/\\evil.example', 'javascript:alert(1)'])(
    'leads from %j to the overview',
    (path) => {
      expect(within(path)).toBe('/')
    },
  )
})
