import { createLazyRoute } from '@tanstack/react-router'
import { Page } from '../../ui/Page'

export const route = createLazyRoute('/inside/workspaces/$name')({ component: WorkspacePage })

function WorkspacePage() {
  return <Page title="Workspace">…</Page>
}
