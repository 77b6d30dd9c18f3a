import { describe, expect, it } from 'vitest'
import { limitsNames, readable, verbs } from './rules'

describe('rules', () => {
  it.each([
    [['get', 'list', 'watch'], 'read'],
    [['get', 'list', 'watch', 'create', 'update', 'patch', 'delete'], 'read, write'],
    [['get', 'list', 'watch', 'create'], 'read, create'],
    [['get', 'list'], 'get, list'],
    [['get', '*'], 'anything with'],
    [['create', 'update', 'patch', 'delete', 'deletecollection'], 'write, deletecollection'],
  ])('%j let one %s', (given, words) => expect(verbs(given)).toBe(words))
  it('name groups and resources', () => {
    expect(readable({ groups: ['', 'apps'], resources: ['pods', 'deployments'], verbs: ['get'] })).toEqual({
      may: 'get',
      what: 'pods, deployments',
      of: 'core, apps',
    })
    expect(readable({ groups: ['*'], resources: ['*'], verbs: ['*'] })).toEqual({
      may: 'anything with',
      what: 'all resources',
      of: 'all groups',
    })
    expect(readable({ groups: [], resources: [], verbs: ['get'] }).what).toBe('addresses that are no resources')
  })
  it('tell of names only when the manifest has some', () => {
    expect(limitsNames('rules:\n- resourceNames:\n  - a\n')).toBe(true)
    expect(limitsNames('rules:\n- apiGroups: []\n  resourceNames: [a]\n')).toBe(true)
    expect(limitsNames('rules:\n- resources: [resourcenames]\n')).toBe(false)
  })
})
