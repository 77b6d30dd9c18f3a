import { createLazyRoute } from '@tanstack/react-router'
import { Page } from '../../ui/Page'

export const route = createLazyRoute('/inside/policies')({ component: PoliciesPage })

function PoliciesPage() {
  return <Page title="Policies">…</Page>
}
