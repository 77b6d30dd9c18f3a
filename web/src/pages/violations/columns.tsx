import type { Schemas } from '../../api/client'
import type { Columns } from '../../ui/DataTable'
import { Severity, Status } from '../../ui/Marks'
import { Time } from '../../ui/Time'
import { To } from '../../ui/To'
import classes from '../../ui/Cells.module.css'

type Violation = Schemas['Violation']

/** How violations are listed. */
export const columns: Columns<Violation> = [
  {
    id: 'severity',
    header: 'Severity',
    meta: { width: '116px', order: 'severity' },
    cell: ({ row }) => <Severity value={row.original.policy.severity} />,
  },
  {
    id: 'policy',
    header: 'Policy',
    meta: { width: 'minmax(180px, 2.4fr)', order: 'policy' },
    cell: ({ row: { original: v } }) => (
      <div className={classes.two}>
        <To to="/violations/$id" params={{ id: v.id }} fw={550} title={v.message}>
          {v.policy.name || v.policy.id}
        </To>
        <span className={classes.below} title={v.message}>
          {v.message}
        </span>
      </div>
    ),
  },
  {
    id: 'object',
    header: 'Object',
    meta: { width: 'minmax(120px, 1.5fr)', order: 'object' },
    cell: ({ row: { original: v } }) => (
      <div className={classes.two}>
        <span className={classes.line} title={`${v.object.apiVersion} ${v.object.kind} ${v.object.name}`}>
          {v.object.name}
        </span>
        <span className={classes.below}>
          {v.object.kind}
          {v.object.namespace && ` in ${v.object.namespace}`}
        </span>
      </div>
    ),
  },
  {
    id: 'owner',
    header: 'Owner',
    meta: { width: 'minmax(96px, 1fr)', secondary: true },
    cell: ({ row: { original: v } }) => (
      <div className={classes.two}>
        <span className={classes.line}>
          {v.workspace ? (
            <To to="/violations" search={{ workspace: [v.workspace] }}>
              {v.workspace}
            </To>
          ) : (
            <span className={classes.none}>–</span>
          )}
        </span>
        {v.app && (
          <span className={classes.below} title={`${v.app.kind} ${v.app.namespace}/${v.app.name}`}>
            {v.app.name}
          </span>
        )}
      </div>
    ),
  },
  {
    id: 'cluster',
    header: 'Cluster',
    meta: { width: 'minmax(72px, 0.8fr)', secondary: true },
    cell: ({ row }) => <span className={classes.line}>{row.original.cluster}</span>,
  },
  {
    id: 'status',
    header: 'Status',
    meta: { width: '98px', secondary: true },
    cell: ({ row }) => <Status value={row.original.status} resolution={row.original.resolution} />,
  },
  {
    id: 'firstSeen',
    header: 'First seen',
    meta: { width: '98px', order: 'firstSeen', secondary: true },
    cell: ({ row }) => <Time at={row.original.firstSeen} />,
  },
  {
    id: 'lastSeen',
    header: 'Last seen',
    meta: { width: '98px', order: 'lastSeen' },
    cell: ({ row }) => <Time at={row.original.lastSeen} />,
  },
]
