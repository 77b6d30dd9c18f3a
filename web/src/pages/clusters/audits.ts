import type { Schemas } from '../../api/client'

/** The last audit of each cluster. The hub lists the newest first. */
export function lastAudits(audits: Schemas['Audit'][]): Schemas['Audit'][] {
  const last = new Map<string, Schemas['Audit']>()
  for (const audit of audits) if (!last.has(audit.clusterName)) last.set(audit.clusterName, audit)
  return [...last.values()].sort((a, b) => a.clusterName.localeCompare(b.clusterName))
}
