import {
  IconCertificate,
  IconServer2,
  IconAdjustments,
  IconAlertOctagon,
  IconBoxMultiple,
  IconHeartbeat,
  IconLayoutDashboard,
  IconListCheck,
  IconShieldHalf,
  IconStack2,
  IconTestPipe,
  IconUsersGroup,
  type Icon,
} from '@tabler/icons-react'
import type { LinkProps } from '@tanstack/react-router'
import type { Resource } from '../../api/session'

export interface Place {
  label: string
  to: NonNullable<LinkProps['to']>
  icon: Icon
  /** The right without which the page has nothing to show. */
  needs?: Resource
}

/** The pages, as the navigation groups them. */
export const groups: { label: string | undefined; places: Place[] }[] = [
  {
    label: undefined,
    places: [
      { label: 'Overview', to: '/', icon: IconLayoutDashboard, needs: 'violations' },
      { label: 'Violations', to: '/violations', icon: IconAlertOctagon, needs: 'violations' },
    ],
  },
  {
    label: 'Where',
    places: [
      { label: 'Applications', to: '/applications', icon: IconBoxMultiple, needs: 'violations' },
      { label: 'Workspaces', to: '/workspaces', icon: IconUsersGroup, needs: 'workspaces' },
      { label: 'Clusters', to: '/clusters', icon: IconServer2, needs: 'violations' },
    ],
  },
  {
    label: 'Rules',
    places: [
      { label: 'Policies', to: '/policies', icon: IconListCheck, needs: 'policies' },
      { label: 'Policy sets', to: '/policy-sets', icon: IconStack2, needs: 'policysets' },
      { label: 'Policy configs', to: '/policy-configs', icon: IconAdjustments, needs: 'policyconfigs' },
      { label: 'Exceptions', to: '/exceptions', icon: IconShieldHalf, needs: 'policyexceptions' },
      { label: 'Impact', to: '/impact', icon: IconTestPipe, needs: 'policies' },
    ],
  },
  {
    label: 'Evidence',
    places: [
      { label: 'Compliance', to: '/compliance', icon: IconCertificate, needs: 'policies' },
      { label: 'About and health', to: '/about', icon: IconHeartbeat },
    ],
  },
]
