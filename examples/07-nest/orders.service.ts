import { Injectable } from '@nestjs/common'
import type { Order } from 'alipayhk-order-sync'

@Injectable()
export class OrdersService {
  /** Gives your id for the order. */
  async save(order: Order): Promise<string> {
    // Here you would write it to your database.
    return `order-${order.merchantBizNo}`
  }
}
