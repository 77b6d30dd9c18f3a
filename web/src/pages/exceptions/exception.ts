import { Scalar, stringify } from 'yaml'
import type { Schemas } from '../../api/client'
import type { Filters } from '../../app/filters'

type Violation = Pick<Schemas['OneViolation'], 'object' | 'app' | 'workspace' | 'manifest' | 'cluster' | 'policy'>

export const scopeIds = ['object', 'labels', 'app', 'namespace', 'workspace'] as const
export type ScopeId = (typeof scopeIds)[number]

/** For which objects an exception may hold: what the PolicyException says, and in words. */
export interface Scope {
  id: ScopeId
  label: string
  why: string
  match: Record<string, unknown>
  /** The same for the list of violations; undefined when that cannot be asked, as of labels. */
  filters: Filters | undefined
}

const nameLabels = ['app.kubernetes.io/name', 'app', 'k8s-app']

/** A value of a key, when the object has it. */
function field(object: unknown, key: string): unknown {
  return typeof object === 'object' && object !== null ? (object as Record<string, unknown>)[key] : undefined
}

/** Whether the object's name is made anew for each of its kind, so that an exception by name is soon of no use. */
function hasMadeUpName(manifest: Violation['manifest']): boolean {
  const owners = field(manifest.metadata, 'ownerReferences')
  return Boolean(field(manifest.metadata, 'generateName')) || (Array.isArray(owners) && owners.length > 0)
}

/** From the narrowest to the widest, and which of them is the narrowest that lasts. */
export function scopesOf({ object, app, workspace, manifest, cluster }: Violation): { scopes: Scope[]; suggested: ScopeId } {
  const { kind, name, namespace } = object
  const place = namespace ? ` in ${namespace}` : ''
  const inNamespace = namespace ? { namespaces: [namespace] } : {}
  const filters: Filters = { cluster: [cluster], ...(namespace ? { namespace: [namespace] } : {}) }
  const madeUp = hasMadeUpName(manifest)
  const scopes: Scope[] = [
    {
      id: 'object',
      label: `Only ${kind} ${name}${place}`,
      why: madeUp
        ? 'A controller gave it this name: the next one has another, and the exception is not for it.'
        : 'Nothing else is accepted, also when it is made the same way.',
      match: { resources: [{ kind, name, ...(namespace ? { namespace } : {}) }] },
      filters: { ...filters, kind: [kind], name: [name] },
    },
  ]
  const labels = field(manifest.metadata, 'labels')
  const key = nameLabels.find((label) => typeof field(labels, label) === 'string')
  if (key !== undefined) {
    const value = field(labels, key) as string
    scopes.push({
      id: 'labels',
      label: `What is labelled ${key}=${value}${place}`,
      why: 'Also later objects with the label. Who may set labels there decides what is accepted.',
      match: { ...inNamespace, labels: { [key]: value } },
      filters: undefined,
    })
  }
  if (app) {
    scopes.push({
      id: 'app',
      label: `All that ${app.kind} ${app.namespace}/${app.name} applies${place}`,
      why: 'Also what is added to the application later.',
      match: { ...inNamespace, apps: [{ kind: app.kind, name: app.name, namespace: app.namespace }] },
      filters: { ...filters, app: [`${app.kind}/${app.namespace}/${app.name}`] },
    })
  }
  if (namespace) {
    scopes.push({
      id: 'namespace',
      label: `All of namespace ${namespace}`,
      why: 'Whoever deploys there, also later.',
      match: inNamespace,
      filters,
    })
  }
  if (workspace) {
    scopes.push({
      id: 'workspace',
      label: `All of workspace ${workspace}`,
      why: 'Every namespace that the tenant has and gets. Seldom what is meant.',
      match: { workspaces: [workspace] },
      filters: { cluster: [cluster], workspace: [workspace] },
    })
  }
  // What a controller made is accepted by what it has in common with the next, if there is something.
  return { scopes, suggested: (madeUp ? scopes[1] : scopes[0])?.id ?? 'object' }
}

/** A name that Kubernetes takes, which says what is excepted and from what. */
export function nameOf({ object, policy }: Pick<Violation, 'object' | 'policy'>): string {
  return [object.namespace, object.name, policy.id.split('.').at(-1)]
    .filter(Boolean)
    .join('-')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '')
    .slice(0, 253)
    .replace(/-+$/, '')
}

/** Whether Kubernetes takes it for the name of an exception. */
export function isName(name: string): boolean {
  return name.length <= 253 && /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/.test(name)
}

/** The day so many days from now, as a date field has it. */
export function dayIn(days: number, now: Date): string {
  return new Date(now.getTime() + days * 86_400_000).toISOString().slice(0, 10)
}

/** How long an exception holds unless one says otherwise: what is severe is looked at again sooner. */
export function defaultDays(severity: string): number {
  return severity === 'high' ? 30 : 90
}

interface Written {
  name: string
  policies: readonly string[]
  match: Record<string, unknown>
  reason: string
  owner: string
  ticket: string
  /** A day, or empty for ever. It holds until the day is over in UTC. */
  until: string
}

/** The exception as a file of Git. Owner and ticket are annotations: the resource has no fields for them. */
export function exceptionYAML({ name, policies, match, reason, owner, ticket, until }: Written): string {
  const annotations = {
    ...(owner.trim() ? { 'pac.weave.works/owner': owner.trim() } : {}),
    ...(ticket.trim() ? { 'pac.weave.works/ticket': ticket.trim() } : {}),
  }
  // In quotes, as a time without them is no text to some that read YAML.
  const expires = new Scalar(`${until}T23:59:59Z`)
  expires.type = Scalar.QUOTE_DOUBLE
  return stringify(
    {
      apiVersion: 'pac.weave.works/v2',
      kind: 'PolicyException',
      metadata: { name, ...(Object.keys(annotations).length > 0 ? { annotations } : {}) },
      spec: { policies, match, reason: reason.trim(), ...(until ? { expires } : {}) },
    },
    { lineWidth: 0, aliasDuplicateObjects: false },
  )
}
