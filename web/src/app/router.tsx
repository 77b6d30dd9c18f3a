import type { QueryClient } from '@tanstack/react-query'
import { createRootRouteWithContext, createRoute, createRouter, redirect } from '@tanstack/react-router'
import { sessionQuery } from '../api/session'
import { Failed } from '../ui/Failed'
import { filtersOf, type Filters } from './filters'
import { NotFound } from './NotFound'
import { compact, many, one, oneOf, parseSearch, stringifySearch } from './search'
import { Shell } from './shell/Shell'

interface Context {
  queries: QueryClient
}

const root = createRootRouteWithContext<Context>()({
  notFoundComponent: NotFound,
  errorComponent: ({ error }) => <Failed error={error} />,
})

const signIn = createRoute({
  getParentRoute: () => root,
  path: '/sign-in',
  validateSearch: (search) => compact({ return_to: one(search, 'return_to') }),
}).lazy(() => import('../pages/sign-in/SignIn').then((m) => m.route))

// inside is all that needs a session. Who has none signs in and comes back to where they wanted to go.
const inside = createRoute({
  getParentRoute: () => root,
  id: 'inside',
  component: Shell,
  beforeLoad: async ({ context, location }) => {
    const session = await context.queries.query({ ...sessionQuery, staleTime: 'static' })
    // TanStack Router takes what is thrown for a redirect.
    if (!session.signedIn) throw redirect({ to: '/sign-in', search: { return_to: location.href }, replace: true })
  },
})

const overview = createRoute({
  getParentRoute: () => inside,
  path: '/',
  validateSearch: (search) =>
    compact({
      cluster: many(search, 'cluster'),
      workspace: many(search, 'workspace'),
      days: oneOf(search, 'days', ['7', '30', '90']),
    }),
}).lazy(() => import('../pages/overview/Overview').then((m) => m.route))

export const orders = ['lastSeen', 'firstSeen', 'severity', 'policy', 'object'] as const
export const groupings = ['policy', 'namespace', 'workspace', 'app', 'kind', 'cluster', 'severity'] as const
export interface ViolationsSearch extends Filters {
  order?: (typeof orders)[number] | undefined
  ascending?: 'true' | undefined
  group?: (typeof groupings)[number] | undefined
  /** How long ago a violation was last seen at most; from and to say it exactly. */
  since?: '24h' | '7d' | '30d' | undefined
}

const violations = createRoute({
  getParentRoute: () => inside,
  path: '/violations',
  validateSearch: (search): ViolationsSearch =>
    compact({
      ...filtersOf(search),
      order: oneOf(search, 'order', orders),
      ascending: oneOf(search, 'ascending', ['true'] as const),
      group: oneOf(search, 'group', groupings),
      since: oneOf(search, 'since', ['24h', '7d', '30d'] as const),
    }),
}).lazy(() => import('../pages/violations/Violations').then((m) => m.route))

const violation = createRoute({ getParentRoute: () => inside, path: '/violations/$id' }).lazy(() =>
  import('../pages/violation/Violation').then((m) => m.route),
)

const asOf = (search: Record<string, unknown>) => compact({ clusterName: one(search, 'clusterName'), at: one(search, 'at') })

const policies = createRoute({
  getParentRoute: () => inside,
  path: '/policies',
  validateSearch: (search) =>
    compact({
      ...asOf(search),
      text: one(search, 'text'),
      severity: many(search, 'severity'),
      category: many(search, 'category'),
      standard: many(search, 'standard'),
      kind: many(search, 'kind'),
      mode: many(search, 'mode'),
      state: oneOf(search, 'state', ['ready', 'broken', 'unused'] as const),
      enforced: oneOf(search, 'enforced', ['true', 'false'] as const),
      order: one(search, 'order'),
    }),
}).lazy(() => import('../pages/policies/Policies').then((m) => m.route))

const policy = createRoute({
  getParentRoute: () => inside,
  path: '/policies/$name',
  validateSearch: (search) => compact({ ...asOf(search), tab: one(search, 'tab') }),
}).lazy(() => import('../pages/policy/Policy').then((m) => m.route))

const sets = createRoute({ getParentRoute: () => inside, path: '/policy-sets', validateSearch: asOf }).lazy(() =>
  import('../pages/sets/Sets').then((m) => m.route),
)

const configs = createRoute({
  getParentRoute: () => inside,
  path: '/policy-configs',
  validateSearch: (search) => compact({ ...asOf(search), text: one(search, 'text') }),
}).lazy(() => import('../pages/configs/Configs').then((m) => m.route))

const config = createRoute({ getParentRoute: () => inside, path: '/policy-configs/$name', validateSearch: asOf }).lazy(() =>
  import('../pages/configs/Config').then((m) => m.route),
)

const newConfig = createRoute({
  getParentRoute: () => inside,
  path: '/new/policy-config',
  validateSearch: (search) => compact({ edit: one(search, 'edit') }),
}).lazy(() => import('../pages/configs/NewConfig').then((m) => m.route))

const effective = createRoute({
  getParentRoute: () => inside,
  path: '/effective-parameters',
  validateSearch: (search) =>
    compact({
      clusterName: one(search, 'clusterName'),
      apiVersion: one(search, 'apiVersion'),
      kind: one(search, 'kind'),
      namespace: one(search, 'namespace'),
      name: one(search, 'name'),
      app: one(search, 'app'),
      only: oneOf(search, 'only', ['set'] as const),
    }),
}).lazy(() => import('../pages/configs/Effective').then((m) => m.route))

const impact = createRoute({
  getParentRoute: () => inside,
  path: '/impact',
  validateSearch: (search) =>
    compact({
      policy: one(search, 'policy'),
      enforce: oneOf(search, 'enforce', ['true'] as const),
      days: oneOf(search, 'days', ['7', '30', '90'] as const),
    }),
}).lazy(() => import('../pages/impact/Impact').then((m) => m.route))

const exceptions = createRoute({
  getParentRoute: () => inside,
  path: '/exceptions',
  validateSearch: (search) =>
    compact({
      ...asOf(search),
      state: oneOf(search, 'state', ['active', 'expiring', 'expired'] as const),
      text: one(search, 'text'),
    }),
}).lazy(() => import('../pages/exceptions/Exceptions').then((m) => m.route))

const newException = createRoute({
  getParentRoute: () => inside,
  path: '/new/exception',
  validateSearch: (search) =>
    compact({
      violation: one(search, 'violation'),
      scope: oneOf(search, 'scope', ['object', 'labels', 'app', 'namespace', 'workspace'] as const),
    }),
}).lazy(() => import('../pages/exceptions/NewException').then((m) => m.route))

const workspaces = createRoute({
  getParentRoute: () => inside,
  path: '/workspaces',
  validateSearch: (search) => compact({ text: one(search, 'text') }),
}).lazy(() => import('../pages/workspaces/Workspaces').then((m) => m.route))

export const workspaceTabs = ['overview', 'serviceaccounts', 'roles', 'rolebindings', 'policies'] as const
export type WorkspaceTab = (typeof workspaceTabs)[number]

const workspace = createRoute({
  getParentRoute: () => inside,
  path: '/workspaces/$name',
  // show is the object, as namespace/name, whose manifest is open.
  validateSearch: (search) => compact({ tab: oneOf(search, 'tab', workspaceTabs), show: one(search, 'show') }),
}).lazy(() => import('../pages/workspaces/Workspace').then((m) => m.route))

const applications = createRoute({
  getParentRoute: () => inside,
  path: '/applications',
  validateSearch: (search) =>
    compact({ cluster: many(search, 'cluster'), workspace: many(search, 'workspace'), text: one(search, 'text') }),
}).lazy(() => import('../pages/applications/Applications').then((m) => m.route))

const application = createRoute({
  getParentRoute: () => inside,
  path: '/applications/$kind/$namespace/$name',
  // One of the same name may be in several clusters.
  validateSearch: (search) => compact({ cluster: many(search, 'cluster') }),
}).lazy(() => import('../pages/applications/Application').then((m) => m.route))

const compliance = createRoute({
  getParentRoute: () => inside,
  path: '/compliance',
  validateSearch: (search) => compact({ ...asOf(search), standard: one(search, 'standard') }),
}).lazy(() => import('../pages/compliance/Compliance').then((m) => m.route))

const evidence = createRoute({
  getParentRoute: () => inside,
  path: '/compliance/report',
  validateSearch: (search) => compact({ ...asOf(search), standard: many(search, 'standard') }),
}).lazy(() => import('../pages/compliance/Evidence').then((m) => m.route))

const clusters = createRoute({ getParentRoute: () => inside, path: '/clusters' }).lazy(() =>
  import('../pages/clusters/Clusters').then((m) => m.route),
)

const cluster = createRoute({ getParentRoute: () => inside, path: '/clusters/$name' }).lazy(() =>
  import('../pages/clusters/Cluster').then((m) => m.route),
)

const about = createRoute({ getParentRoute: () => inside, path: '/about' }).lazy(() =>
  import('../pages/about/About').then((m) => m.route),
)

const tree = root.addChildren([
  signIn,
  inside.addChildren([
    overview,
    violations,
    violation,
    policies,
    policy,
    sets,
    configs,
    config,
    newConfig,
    effective,
    impact,
    exceptions,
    newException,
    workspaces,
    workspace,
    applications,
    application,
    compliance,
    evidence,
    clusters,
    cluster,
    about,
  ]),
])

export function makeRouter(queries: QueryClient) {
  return createRouter({
    routeTree: tree,
    context: { queries },
    parseSearch,
    stringifySearch,
    defaultPreload: 'intent',
    defaultPreloadStaleTime: 0,
    scrollRestoration: true,
    defaultErrorComponent: ({ error }) => <Failed error={error} />,
    defaultPendingMs: 300,
  })
}

declare module '@tanstack/react-router' {
  interface Register {
    router: ReturnType<typeof makeRouter>
  }
}
