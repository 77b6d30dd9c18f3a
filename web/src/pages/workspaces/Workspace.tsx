import { Stack, Tabs } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { createLazyRoute } from '@tanstack/react-router'
import { reading } from '../../api/client'
import { type WorkspaceTab, workspaceTabs } from '../../app/router'
import { Loaded } from '../../ui/Loaded'
import { plural } from '../../ui/number'
import { Page } from '../../ui/Page'
import { RoleBindings, Roles, ServiceAccounts } from './Objects'
import { Overview } from './Overview'
import { Policies } from './Policies'

export const route = createLazyRoute('/inside/workspaces/$name')({ component: WorkspacePage })

const labels: Record<WorkspaceTab, string> = {
  overview: 'Overview',
  serviceaccounts: 'Service accounts',
  roles: 'Roles',
  rolebindings: 'Role bindings',
  policies: 'Policies',
}

function WorkspacePage() {
  const { name } = route.useParams()
  const { tab = 'overview', show } = route.useSearch()
  const navigate = route.useNavigate()
  const workspace = useQuery(reading('/v1/workspaces/{name}', { path: { name } }))
  const go = (search: { tab?: WorkspaceTab; show?: string }) =>
    void navigate({ to: '/workspaces/$name', params: { name }, search, resetScroll: false })
  const objects = { name, shown: show, show: (key: string | undefined) => go({ tab, ...(key ? { show: key } : {}) }) }
  const open = workspace.data?.open
  return (
    <Page
      title={name}
      above={[{ label: 'Workspaces', to: '/workspaces' }]}
      {...(open === undefined ? {} : { about: `${plural(open, 'open violation')} in it.` })}
    >
      <Loaded query={workspace} lines={8}>
        {(data) => (
          <Tabs
            value={tab}
            onChange={(chosen) => {
              const next = workspaceTabs.find((t) => t === chosen)
              go(next && next !== 'overview' ? { tab: next } : {})
            }}
            // The arrows only move: each tab asks the hub and is a step of the back button.
            activateTabWithKeyboard={false}
            keepMounted={false}
          >
            <Tabs.List aria-label={`Of the workspace ${name}`}>
              {workspaceTabs.map((t) => (
                <Tabs.Tab key={t} value={t}>
                  {labels[t]}
                </Tabs.Tab>
              ))}
            </Tabs.List>
            <Stack mt="md">
              <Tabs.Panel value="overview">
                <Overview workspace={data} />
              </Tabs.Panel>
              <Tabs.Panel value="serviceaccounts">
                <ServiceAccounts {...objects} />
              </Tabs.Panel>
              <Tabs.Panel value="roles">
                <Roles {...objects} />
              </Tabs.Panel>
              <Tabs.Panel value="rolebindings">
                <RoleBindings {...objects} />
              </Tabs.Panel>
              <Tabs.Panel value="policies">
                <Policies name={name} />
              </Tabs.Panel>
            </Stack>
          </Tabs>
        )}
      </Loaded>
    </Page>
  )
}
