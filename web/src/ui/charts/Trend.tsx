import '@mantine/charts/styles.layer.css'
import { AreaChart, BarChart } from '@mantine/charts'

export interface TrendProperties {
  label: string
  /** A row for each day: `day` as 2026-11-01, and a number for each series. */
  data: ({ day: string } & Record<string, number | string>)[]
  series: { name: string; label: string; color: string }[]
  kind: 'area' | 'bar'
  /** Series on top of each other rather than beside. */
  stacked?: boolean
  /** In pixels. */
  height?: number
}

const day = new Intl.DateTimeFormat('en', { day: 'numeric', month: 'short', timeZone: 'UTC' })
const shown = (text: string) => day.format(new Date(text))

export function Trend({ label, data, series, kind, stacked, height = 200 }: TrendProperties) {
  const common = {
    h: height,
    data,
    dataKey: 'day',
    series,
    withLegend: series.length > 1,
    legendProps: { verticalAlign: 'top' as const, height: 32 },
    gridAxis: 'y' as const,
    tickLine: 'none' as const,
    xAxisProps: { tickFormatter: shown, minTickGap: 40 },
    yAxisProps: { allowDecimals: false, width: 44 },
    type: stacked ? ('stacked' as const) : ('default' as const),
  }
  return (
    <figure style={{ margin: 0 }} aria-label={label}>
      <div aria-hidden>
        {kind === 'area' ? (
          <AreaChart
            {...common}
            curveType="monotone"
            withDots={false}
            fillOpacity={0.25}
            strokeWidth={1.5}
            // What is hidden from screen readers must not be reached by keyboard; the table says the same.
            areaChartProps={{ accessibilityLayer: false }}
            areaProps={{ isAnimationActive: false }}
          />
        ) : (
          <BarChart
            {...common}
            barChartProps={{ accessibilityLayer: false }}
            type={stacked ? 'stacked' : 'default'}
            barProps={{ isAnimationActive: false, radius: 2 }}
          />
        )}
      </div>
      <table className="hidden-text">
        <caption>{label}</caption>
        <thead>
          <tr>
            <th scope="col">Day</th>
            {series.map((s) => (
              <th scope="col" key={s.name}>
                {s.label}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {data.map((row) => (
            <tr key={row.day}>
              <th scope="row">{row.day}</th>
              {series.map((s) => (
                <td key={s.name}>{row[s.name]}</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </figure>
  )
}
