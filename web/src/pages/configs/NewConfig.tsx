import { createLazyRoute } from '@tanstack/react-router'
import { Page } from '../../ui/Page'

export const route = createLazyRoute('/inside/new/policy-config')({ component: NewConfigPage })

function NewConfigPage() {
  return <Page title="New policy config">…</Page>
}
