/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "desk-filter.h"

#include "desk-text.h"

static int
rank_side (Core2DbusChip *chip)
{
  const char *side = core2_dbus_chip_get_side (chip);

  return g_strcmp0 (side, "left") == 0 ? 0 : g_strcmp0 (side, "right") == 0 ? 1 : 2;
}

static int
compare (gconstpointer a, gconstpointer b, gpointer user_data)
{
  Core2DbusChip *first = CORE2_DBUS_CHIP ((gpointer) a);
  Core2DbusChip *second = CORE2_DBUS_CHIP ((gpointer) b);
  g_autofree char *first_title = desk_text_title (first);
  g_autofree char *second_title = desk_text_title (second);
  int difference = rank_side (first) - rank_side (second);

  if (difference == 0)
    difference = g_utf8_collate (first_title != NULL ? first_title : "",
                                 second_title != NULL ? second_title : "");
  return difference;
}

static gboolean
is_remembered (gpointer item, gpointer user_data)
{
  return core2_dbus_chip_get_remembered (item) == GPOINTER_TO_INT (user_data);
}

static void
on_chip_changed (Core2DbusChip *chip, GParamSpec *property, GtkFilter *filter)
{
  gtk_filter_changed (filter, GTK_FILTER_CHANGE_DIFFERENT);
}

static void
on_items_changed (GListModel *chips, guint position, guint removed, guint added,
                  GtkFilter *filter)
{
  for (guint i = position; i < position + added; i++)
    {
      g_autoptr (Core2DbusChip) chip = g_list_model_get_item (chips, i);

      g_signal_connect_object (chip, "notify::remembered", G_CALLBACK (on_chip_changed), filter,
                               0);
    }
}

GListModel *
desk_filter_new (DeskClient *client, gboolean remembered)
{
  GListModel *chips = desk_client_get_chips (client);
  GtkFilter *filter = GTK_FILTER (
      gtk_custom_filter_new (is_remembered, GINT_TO_POINTER (remembered), NULL));
  GtkFilterListModel *filtered;

  g_signal_connect_object (chips, "items-changed", G_CALLBACK (on_items_changed), filter, 0);
  on_items_changed (chips, 0, 0, g_list_model_get_n_items (chips), filter);
  filtered = gtk_filter_list_model_new (g_object_ref (chips), filter);
  return G_LIST_MODEL (gtk_sort_list_model_new (
      G_LIST_MODEL (filtered), GTK_SORTER (gtk_custom_sorter_new (compare, NULL, NULL))));
}
