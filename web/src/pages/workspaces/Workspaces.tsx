import { createLazyRoute } from '@tanstack/react-router'
import { Page } from '../../ui/Page'

export const route = createLazyRoute('/inside/workspaces')({ component: WorkspacesPage })

function WorkspacesPage() {
  return <Page title="Workspaces">…</Page>
}
