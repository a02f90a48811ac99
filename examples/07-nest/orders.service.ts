import { Injectable } from '@nestjs/common'
import type { Order } from 'alipayhk-order-sync'

@Injectable()
export class OrdersService {
  /** Stores the order, and returns your id for it. */
  async save(order: Order): Promise<string> {
    // Write the order to your database here.
    return `order-${order.merchantBizNo}`
  }
}
