import type { Schemas } from '../../api/client'

export const levels: Record<Schemas['MatchingConfig']['level'], string> = {
  workspace: 'by workspace',
  namespace: 'by namespace',
  app: 'by application',
  appInNamespace: 'by application in its namespace',
  resource: 'by resource',
  resourceInNamespace: 'by resource in its namespace',
}

// The hub looks an object up by its API version, which people do not know by heart.
const apiVersions: Record<string, string> = {
  Deployment: 'apps/v1',
  StatefulSet: 'apps/v1',
  DaemonSet: 'apps/v1',
  ReplicaSet: 'apps/v1',
  Job: 'batch/v1',
  CronJob: 'batch/v1',
  Pod: 'v1',
  Service: 'v1',
  Namespace: 'v1',
  ConfigMap: 'v1',
  ServiceAccount: 'v1',
  Ingress: 'networking.k8s.io/v1',
  NetworkPolicy: 'networking.k8s.io/v1',
  Role: 'rbac.authorization.k8s.io/v1',
  ClusterRole: 'rbac.authorization.k8s.io/v1',
  RoleBinding: 'rbac.authorization.k8s.io/v1',
  ClusterRoleBinding: 'rbac.authorization.k8s.io/v1',
}
export const kinds = Object.keys(apiVersions)

export function apiVersionOf(kind: string): string | undefined {
  return apiVersions[kind]
}

interface Named {
  kind: string
  name: string
  namespace?: string
}

/** Kind/name, or Kind/namespace/name. */
export function shown({ kind, namespace, name }: Named): string {
  return [kind, ...(namespace ? [namespace] : []), name].join('/')
}

/** What `shown` shows; undefined when it is not that. */
export function named(text: string): Named | undefined {
  const parts = text.split('/').map((part) => part.trim())
  const [kind, second, third] = parts
  if (!kind || !second || parts.length > 3 || third === '') return undefined
  return third === undefined ? { kind, name: second } : { kind, name: third, namespace: second }
}

export const ways = ['workspaces', 'namespaces', 'apps', 'resources'] as const
export type Way = (typeof ways)[number]

/** What is in the form. */
export interface Draft {
  name: string
  by: Way
  /** For apps and resources as `shown` has them. */
  targets: string[]
  /** Values by policy and parameter. */
  values: Record<string, Record<string, unknown>>
}

export const blank: Draft = { name: '', by: 'workspaces', targets: [], values: {} }

/** An existing config, to be changed. */
export function draftOf(config: Schemas['OnePolicyConfig']): Draft {
  const { match } = config
  const by = ways.find((way) => (match[way] ?? []).length > 0) ?? 'workspaces'
  const targets = by === 'apps' || by === 'resources' ? (match[by] ?? []).map(shown) : (match[by] ?? [])
  return { name: config.name, by, targets, values: Object.fromEntries(config.policies.map((p) => [p.id, { ...p.parameters }])) }
}

/** What is missing or wrong; undefined when the config can be applied. */
export function problem({ name, by, targets, values }: Draft): string | undefined {
  // As Kubernetes names objects (RFC 1123 subdomain).
  if (!/^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/.test(name)) return 'Give it a name of small letters, digits, - and dots.'
  if (targets.length === 0) return 'Say what it matches.'
  if (by === 'apps' || by === 'resources') {
    const wrong = targets.find((target) => {
      const found = named(target)
      return !found || (by === 'apps' && found.kind !== 'Kustomization' && found.kind !== 'HelmRelease')
    })
    if (wrong !== undefined) {
      return by === 'apps'
        ? `${wrong} is not Kustomization/namespace/name, HelmRelease/namespace/name or one of them without a namespace.`
        : `${wrong} is not Kind/namespace/name or Kind/name.`
    }
  }
  const set = Object.values(values).filter((parameters) => Object.keys(parameters).length > 0)
  return set.length === 0 ? 'Set a parameter of a policy.' : undefined
}

/** The object that the form describes. */
export function objectOf({ name, by, targets, values }: Draft) {
  return {
    apiVersion: 'pac.weave.works/v2',
    kind: 'PolicyConfig',
    metadata: { name },
    spec: {
      match: { [by]: by === 'apps' || by === 'resources' ? targets.map((target) => named(target) ?? target) : targets },
      config: Object.fromEntries(
        Object.entries(values)
          .filter(([, parameters]) => Object.keys(parameters).length > 0)
          .map(([id, parameters]) => [id, { parameters }]),
      ),
    },
  }
}
