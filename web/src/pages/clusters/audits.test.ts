import { expect, test } from 'vitest'
import { lastAudits } from './audits'

test('of each cluster the newest audit is kept', () => {
  const audit = (clusterName: string, id: string) => ({ clusterName, id, start: '', trigger: 'periodic-audit', failures: 0 })
  expect(lastAudits([audit('b', '2'), audit('a', '2'), audit('b', '1')]).map((a) => a.clusterName + a.id)).toEqual(['a2', 'b2'])
})
